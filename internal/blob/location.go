package blob

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// folderOf returns the path in the URL of a folder.
func folderOf(u *url.URL) (string, error) {
	if u.Host != "" || u.RawQuery != "" || !strings.HasPrefix(u.Path, "/") {
		return "", errors.New("the URL of a folder is file:// and its absolute path, such as file:///var/lib/heyrelay/blobs")
	}
	path := u.Path
	if runtime.GOOS == "windows" {
		path = strings.TrimPrefix(path, "/") // file:///C:/blobs
	}
	path = filepath.FromSlash(path)
	if !filepath.IsAbs(path) || filepath.Dir(path) == path {
		return "", fmt.Errorf("%s cannot be the folder of the blob store: write the absolute path of a folder of its own",
			path)
	}
	return filepath.Clean(path), nil
}

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixName = regexp.MustCompile(`^([A-Za-z0-9._-]+/)*$`)
	regionName = regexp.MustCompile(`^[a-z0-9-]+$`)
)

// bucketOf returns the bucket in a URL, still without credentials.
func bucketOf(u *url.URL) (*bucket, error) {
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		prefix += "/"
	}
	switch {
	case !bucketName.MatchString(u.Host):
		return nil, errors.New("the name of a bucket has 3 to 63 small letters, digits, dots and hyphens: s3://BUCKET")
	case !prefixName.MatchString(prefix) || strings.Contains("/"+prefix, "/./") || strings.Contains("/"+prefix, "/../"):
		return nil, errors.New("what follows the bucket is a prefix of letters, digits, dots, underscores, hyphens " +
			"and slashes")
	}
	o, err := bucketOptions(u.RawQuery)
	if err != nil {
		return nil, err
	}
	root := *o.endpoint
	root.Path = "/"
	if o.virtual {
		root.Host = u.Host + "." + root.Host
	} else {
		root.Path += u.Host + "/"
	}
	return &bucket{root: &root, prefix: prefix, region: o.region}, nil
}

// options are what the query of a bucket's URL says.
type options struct {
	endpoint *url.URL
	region   string
	virtual  bool
}

// bucketOptions reads the query of a bucket's URL. Its errors repeat no value.
func bucketOptions(query string) (options, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return options{}, errors.New("what follows ? in the URL of the blob store must be NAME=VALUE, joined by &")
	}
	for name, all := range values {
		if name != "endpoint" && name != "region" && name != "style" {
			return options{}, fmt.Errorf("the URL of the blob store has the unknown parameter %q: it may have endpoint, "+
				"region and style", name)
		}
		if len(all) > 1 {
			return options{}, fmt.Errorf("the URL of the blob store has the parameter %q more than once", name)
		}
	}
	o := options{region: "us-east-1"}
	if values.Has("region") {
		o.region = values.Get("region")
	}
	if !regionName.MatchString(o.region) {
		return options{}, errors.New("the region of the blob store must be a name such as eu-central-1")
	}
	endpoint, style := values.Get("endpoint"), values.Get("style")
	o.virtual = style == "virtual" || style == "" && endpoint == ""
	if style != "" && style != "path" && style != "virtual" {
		return options{}, errors.New("the style of the blob store must be path or virtual")
	}
	if endpoint == "" {
		endpoint = "https://s3." + o.region + ".amazonaws.com"
	}
	o.endpoint, err = parseEndpoint(endpoint)
	if err == nil && o.virtual && o.endpoint.Scheme == "http" {
		err = errors.New("the blob store at an http endpoint needs style=path: " +
			"BUCKET.HOST could be another machine")
	}
	return o, err
}

// parseEndpoint parses the address of a store.
func parseEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("the endpoint of the blob store is not a URL: write https:// and the host")
	case u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the endpoint of the blob store contains more than a host and a port")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, errors.New("the endpoint of the blob store would get files unencrypted: write https://")
	}
	return u, nil
}

// isLoopback reports whether a host is certainly this machine.
func isLoopback(host string) bool {
	ip, _ := netip.ParseAddr(host)
	return host == "localhost" || ip.Unmap().IsLoopback()
}
