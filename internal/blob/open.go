package blob

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
)

// Options are what a store needs beside its URL.
type Options struct {
	// MinFree is how many octets Put leaves free on the disk of a folder.
	MinFree int64

	// Warn is called by Open with what an administrator should know; nil to drop it.
	Warn func(string)
}

// Open opens the store at a URL:
//
//	file:///var/lib/heyrelay/blobs
//
// is a folder, which is made if its parent exists. Nothing else may use it.
func Open(location string, o Options) (Store, error) {
	path, err := parse(location)
	if err != nil {
		return nil, err
	}
	return openFolder(path, o)
}

// CheckURL returns what is wrong with the URL of a store, without looking whether there is one. The error does
// not repeat the URL, in which somebody could have written a password.
func CheckURL(location string) error {
	_, err := parse(location)
	return err
}

// parse returns the path of a folder.
func parse(location string) (string, error) {
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "file" {
		return "", errors.New("the URL of the blob store must be file:///FOLDER")
	}
	if u.Host != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasPrefix(u.Path, "/") {
		return "", errors.New("the URL of a folder is file:// and its absolute path, such as file:///var/lib/heyrelay/blobs")
	}
	path := u.Path
	if runtime.GOOS == "windows" {
		path = strings.TrimPrefix(path, "/") // file:///C:/blobs
	}
	path = filepath.FromSlash(path)
	if !filepath.IsAbs(path) || filepath.Dir(path) == path {
		return "", fmt.Errorf("%s cannot be the folder of the blob store: write the absolute path of a folder of its own", path)
	}
	return filepath.Clean(path), nil
}
