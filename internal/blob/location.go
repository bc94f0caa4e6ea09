package blob

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"heyrelay/internal/loopback"
)

// folderOf returns the path in the URL of a folder.
func folderOf(u *url.URL) (string, error) {
	advice := "write file:// and an absolute path, such as file:///var/lib/heyrelay/blobs"
	if u.Host != "" || u.RawQuery != "" || !strings.HasPrefix(u.Path, "/") {
		return "", Mistake{"does not name a directory", advice}
	}
	path := u.Path
	if runtime.GOOS == "windows" {
		path = strings.TrimPrefix(path, "/") // file:///C:/blobs
	}
	path = filepath.Clean(filepath.FromSlash(path))
	if !filepath.IsAbs(path) || filepath.Dir(path) == path {
		return "", Mistake{"does not name a directory of its own", advice}
	}
	return path, nil
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
	path := "/" + prefix
	switch {
	case !bucketName.MatchString(u.Host):
		return nil, Mistake{"does not name a bucket", "write s3:// and a name of 3 to 63 lower-case letters, digits, " +
			"dots and hyphens"}
	case !prefixName.MatchString(prefix) || strings.Contains(path, "/./") || strings.Contains(path, "/../"):
		return nil, Mistake{"has an invalid prefix after the bucket", "use letters, digits, dots, underscores, " +
			"hyphens and slashes"}
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

// bucketOptions reads the query of a bucket's URL.
func bucketOptions(query string) (o options, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return o, Mistake{"has unreadable parameters", "write ?NAME=VALUE&NAME=VALUE"}
	}
	for name, all := range values {
		switch {
		case name != "endpoint" && name != "region" && name != "style":
			return o, Mistake{fmt.Sprintf("has the unknown parameter %q", name), "use endpoint, region and style"}
		case len(all) > 1:
			return o, Mistake{"has " + name + " more than once", "write it once"}
		}
	}
	o.region = cmp.Or(values.Get("region"), "us-east-1")
	style := cmp.Or(values.Get("style"), "path")
	o.virtual = style == "virtual"
	o.endpoint, err = url.Parse(values.Get("endpoint"))
	switch {
	case !regionName.MatchString(o.region):
		return o, Mistake{"has an invalid region", "write one such as eu-central-1"}
	case style != "path" && style != "virtual":
		return o, Mistake{"has an unknown style", "write path or virtual"}
	case err != nil:
		return o, noEndpoint
	}
	return o, checkEndpoint(o.endpoint, o.virtual)
}

var noEndpoint = Mistake{
	"has no endpoint that is a URL", "write the store's address, such as s3://bucket?endpoint=https://s3.example.com",
}

// checkEndpoint checks the address of a store.
func checkEndpoint(u *url.URL, virtual bool) error {
	switch {
	case u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return noEndpoint
	case u.User != nil:
		return ErrLogin
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return Mistake{"has an endpoint with more than a host and a port", "write the bucket after s3://"}
	case u.Scheme == "http" && !loopback.Is(u.Hostname()):
		return Mistake{"would send files unencrypted", "write endpoint=https://; http:// is allowed to this machine only"}
	case u.Scheme == "http" && virtual:
		return Mistake{"would send files unencrypted", "write endpoint=https://, or style=path"} // BUCKET.HOST is any host
	}
	return nil
}
