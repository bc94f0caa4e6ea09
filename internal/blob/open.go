package blob

import (
	"errors"
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
// is a bucket, in which the names of objects begin with PREFIX/. All but the bucket can be omitted: the region
// is us-east-1, and the endpoint that of AWS in the region. The style is how the bucket is addressed: virtual
// (https://BUCKET.HOST/, the default at AWS), or path (https://HOST/BUCKET/, the default at other endpoints).
// The credentials need the permissions s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket; without
// the last, a missing object looks like a forbidden one.
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

// CheckURL returns what is wrong with the URL of a store, without looking whether there is one. The error does
// not repeat the URL, in which somebody could have written a password.
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

// IsBucket reports whether the URL is that of a bucket, which needs credentials.
func IsBucket(location string) bool {
	u, err := parse(location)
	return err == nil && u.Scheme == "s3"
}

// parse parses what the URLs of all stores have in common.
func parse(location string) (*url.URL, error) {
	u, err := url.Parse(location)
	switch {
	case err != nil || u.Scheme != "file" && u.Scheme != "s3":
		return nil, errors.New("the URL of the blob store must be file:///FOLDER or s3://BUCKET")
	case u.User != nil:
		return nil, errors.New("the URL of the blob store must not contain credentials")
	case u.Fragment != "":
		return nil, errors.New("the URL of the blob store must not contain #")
	}
	return u, nil
}
