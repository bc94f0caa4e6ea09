package blob

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Options are what a store needs beside its URL.
type Options struct {
	// MinFree is how many octets Put leaves free on the disk of a folder.
	MinFree int64

	// AccessKey and SecretKey return the credentials for a bucket, for each request anew.
	AccessKey, SecretKey func() string

	// Warn is called by Open with what an administrator should know; nil to drop it.
	Warn func(string)
}

// Open opens the store at a URL, without looking whether it can be used: Ping does.
//
//	file:///var/lib/heyrelay/blobs
//
// is a folder, which is made if its parent exists. Nothing else may use it.
//
//	s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=REGION&style=path
//
// is a bucket, in which the names of objects begin with PREFIX/, if there is one. Without a region, it is
// us-east-1. The style is how the bucket is addressed: path (https://HOST/BUCKET/, the default) or virtual
// (https://BUCKET.HOST/). The credentials need the permissions s3:PutObject, s3:GetObject, s3:DeleteObject and
// s3:ListBucket; without the last, a missing object looks like a forbidden one.
//
// The error is a Mistake for what is wrong with the URL itself.
func Open(location string, o Options) (Store, error) {
	u, err := parse(location)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "file" {
		path, err := folderOf(u)
		if err != nil {
			return nil, err
		}
		return openFolder(path, o)
	}
	b, err := bucketOf(u)
	if err != nil {
		return nil, err
	}
	if o.AccessKey == nil || o.SecretKey == nil {
		return nil, errors.New("a bucket needs an access key and a secret key")
	}
	b.accessKey, b.secretKey = o.AccessKey, o.SecretKey
	b.now = time.Now
	b.pageSize = 1000
	b.transport = newTransport()
	return b, nil
}

// Mistake is what is wrong with the URL of a store. It does not repeat the URL, in which somebody could have
// written a password.
type Mistake struct {
	Problem string // as a predicate of the URL: "contains a login"
	Advice  string // what to write
}

// ErrLogin is the Mistake of a URL that contains credentials.
var ErrLogin = Mistake{"contains a login", "give it as Options.AccessKey and SecretKey"}

// Error joins both.
func (m Mistake) Error() string { return "the URL of the blob store " + m.Problem + "; " + m.Advice }

// CheckURL returns the Mistake in the URL of a store, without looking whether there is one.
func CheckURL(location string) error {
	u, err := parse(location)
	if err != nil {
		return err
	}
	if u.Scheme == "file" {
		_, err = folderOf(u)
	} else {
		_, err = bucketOf(u)
	}
	return err
}

// CheckStore returns why this user could not open the store at a URL, as far as that can be seen on this machine
// without making it.
func CheckStore(location string) error {
	path, ok := Folder(location)
	if !ok {
		return CheckURL(location)
	}
	if err := checkFolder(path); err != nil {
		return fmt.Errorf("open blob store: %w", err)
	}
	return nil
}

// Folder returns the path of the folder that a URL names; ok is false if it names none.
func Folder(location string) (path string, ok bool) {
	u, err := parse(location)
	if err != nil || u.Scheme != "file" {
		return "", false
	}
	path, err = folderOf(u)
	return path, err == nil
}

// parse parses what the URLs of all stores have in common.
func parse(location string) (*url.URL, error) {
	u, err := url.Parse(location)
	switch {
	case err != nil || u.Scheme != "file" && u.Scheme != "s3":
		return nil, Mistake{"names neither a directory nor a bucket", "write file:// and an absolute path, such as " +
			"file:///var/lib/heyrelay/blobs, or s3://bucket?endpoint=https://host"}
	case u.User != nil:
		return nil, ErrLogin
	case u.Fragment != "":
		return nil, Mistake{"contains a #", "remove it"}
	}
	return u, nil
}
