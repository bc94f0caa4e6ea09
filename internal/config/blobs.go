package config

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"heyrelay/internal/blob"
	"heyrelay/internal/loopback"
	"heyrelay/internal/strictyaml"
)

// Blobs is where the attachments of routes with "link" are kept, and where recipients download
// them. It is in use if there is a URL.
type Blobs struct {
	// Where files are kept: file:// and the absolute path of a directory, or a bucket of
	// an S3-compatible store, s3://bucket?endpoint=https://host&region=name. heyrelay
	// deletes files there that no link needs any longer. Default: none.
	URL string `yaml:"url" example:"file:///var/lib/heyrelay/blobs"`

	// The access key ID of the bucket's user.
	AccessKeyID string `yaml:"access_key_id" example:"heyrelay"`

	// The user's secret access key.
	SecretAccessKey strictyaml.Secret `yaml:"secret_access_key" example:"/run/secrets/blobs_key"`

	// host:port of the listener that serves the files, and nothing else, to anyone who has
	// a link.
	Listen string `yaml:"listen" default:"127.0.0.1:8027"`

	// Encryption: none, or implicit, with the certificate of tls. Use none behind a proxy
	// that encrypts.
	TLS string `yaml:"tls" default:"none" oneof:"none|implicit"`

	// The URL by which recipients reach the listener, usually that of a reverse proxy:
	// https, or http to this machine only. Links begin with it.
	PublicURL string `yaml:"public_url" example:"https://files.example.com"`

	// Addresses of reverse proxies. X-Forwarded-For, which the limits and the log use, is
	// trusted from these addresses only. Default: this machine if listen is a loopback
	// address, otherwise none.
	Proxies Networks `yaml:"proxies" example:"[192.0.2.1]"`

	// How long a link works after its message was accepted. A change does not affect the
	// links of earlier messages.
	Expire strictyaml.Duration `yaml:"expire" default:"90d" range:"1h..10y"`

	// Types of files that are rejected (554 5.6.0), by the extension of their name and by
	// their content. Default: none.
	Refuse []string `yaml:"refuse" example:"[exe, js]"`

	// Concurrent downloads in total.
	Downloads int `yaml:"downloads" default:"100" range:"1..2000"`

	// Concurrent downloads of one client address.
	DownloadsPerAddress int `yaml:"downloads_per_address" default:"10" range:"1..60"`
}

// complete sets what depends on other values.
func (b *Blobs) complete() {
	b.PublicURL = strings.TrimRight(b.PublicURL, "/")
	if b.URL != "" && b.Proxies == nil && b.Loopback() {
		b.Proxies = thisMachine()
	}
}

// Loopback reports whether only this machine can connect to the listener.
func (b Blobs) Loopback() bool { return onLoopback(b.Listen) }

// Links reports whether files of the route are stored, and downloaded by links.
func (r Route) Links() bool { return r.Attachments == AttachmentsLink || r.InlineImages == ImagesLink }

func (l *loader) validateBlobs() {
	b := l.config.Blobs
	if b.URL == "" {
		l.rejectUnused("a url", "add "+l.doc.Key("blobs.url")+", or remove it",
			"blobs.access_key_id", "blobs.secret_access_key", "blobs.public_url", "blobs.proxies", "blobs.refuse")
		l.rejectLinks()
		return
	}
	l.validateBlobsURL()
	l.validateBlobsListen()
	l.validatePublicURL()
	for i, kind := range b.Refuse {
		if kind == "" || strings.ToLower(kind) != kind || !isWord(kind, "") {
			l.doc.Reject(fmt.Sprintf("blobs.refuse[%d]", i), fmt.Sprintf("%q is not a file name extension", kind),
				"write lower-case letters and digits without a dot, such as exe")
		}
	}
	if b.Proxies.all() {
		l.doc.Reject("blobs.proxies", "anyone could claim to be the proxy", "write the proxy's address only")
	}
}

// rejectLinks rejects the keys that have files linked: there is no place for them.
func (l *loader) rejectLinks() {
	for i, r := range l.config.Routes {
		for name, choice := range map[string]string{"attachments": r.Attachments, "inline_images": r.InlineImages} {
			if choice == AttachmentsLink {
				l.doc.Reject(fmt.Sprintf("routes[%d].%s", i, name),
					"route "+r.Name+" links files, but there is nowhere to store them",
					"add "+l.doc.Key("blobs.url")+" and "+l.doc.Key("blobs.public_url")+", or choose another value")
			}
		}
	}
}

func (l *loader) validateBlobsURL() {
	const path = "blobs.url"
	key, location := l.doc.Key(path), l.config.Blobs.URL
	keys := []string{"blobs.access_key_id", "blobs.secret_access_key"}
	var mistake blob.Mistake
	switch err := blob.CheckURL(location); {
	case errors.Is(err, blob.ErrLogin):
		l.doc.Reject(path, key+" contains a login", "write it as "+l.doc.Key(keys[0])+" and "+l.doc.Key(keys[1]+"_file"))
		return
	case errors.As(err, &mistake):
		l.doc.Reject(path, key+" "+mistake.Problem, mistake.Advice)
	}
	folder, isFolder := blob.Folder(location)
	if isFolder {
		l.rejectUnused("a bucket", "remove it, or write s3:// in "+key, keys...)
		_, database, _ := strings.Cut(l.config.Spool.URL, ":")
		if within(database, folder) {
			l.doc.Reject(path, "the spool is within "+key, "name a directory of its own, which may be within the spool's")
		}
	}
	if strings.HasPrefix(location, "s3:") {
		l.requireLogin(keys)
	}
}

// requireLogin checks that the bucket's user has both keys.
func (l *loader) requireLogin(keys []string) {
	for _, key := range keys {
		if !l.doc.Given(key) {
			l.doc.Reject(key, l.doc.Key(key)+" is missing", "give the bucket's user and its secret, which signs the requests")
		}
	}
}

// within reports whether a file is in a directory, or below it.
func within(file, directory string) bool {
	file, err := filepath.Abs(file)
	if err != nil {
		return false
	}
	rest, err := filepath.Rel(directory, file)
	return err == nil && filepath.IsLocal(rest)
}

func (l *loader) validateBlobsListen() {
	const path = "blobs.listen"
	address := l.config.Blobs.Listen
	if l.doc.Rejected(path) {
		return
	}
	if !l.validateAddress(path, address) || strings.HasSuffix(address, ":0") {
		return
	}
	others := map[string]string{l.config.Metrics.Address: "metrics.address", l.config.Console.Address: "console.address"}
	for i, o := range l.config.Listeners {
		others[o.Address] = fmt.Sprintf("listeners[%d].address", i)
	}
	if other, taken := others[address]; taken {
		l.doc.Reject(path, l.doc.Key(other)+" already listens on "+address, "choose another address or port")
	}
}

func (l *loader) validatePublicURL() {
	const path = "blobs.public_url"
	key := l.doc.Key(path)
	u, err := url.Parse(l.config.Blobs.PublicURL)
	switch {
	case l.config.Blobs.PublicURL == "":
		l.doc.Reject(path, key+" is missing",
			"write the https:// URL by which recipients reach "+l.doc.Key("blobs.listen"))
	case err != nil || !isWebAddress(u):
		l.doc.Reject(path, key+" is not a URL", "write https:// and the host, such as https://files.example.com")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		l.doc.Reject(path, key+" contains more than a host and a path", "remove the user, ? and #")
	case u.Scheme == "http" && !loopback.Is(u.Hostname()):
		l.doc.Reject(path, "files would be downloaded unencrypted", "write https://; http:// is allowed to this machine only")
	}
}

func (l *loader) warnBlobs() {
	b := l.config.Blobs
	if b.URL == "" {
		return
	}
	if !b.Loopback() && b.TLS == TLSNone && len(b.Proxies) == 0 {
		l.doc.Warn("blobs.listen", "files are served unencrypted on "+b.Listen, "set "+l.doc.Key("blobs.tls")+
			" to implicit, or name the proxy that encrypts in "+l.doc.Key("blobs.proxies"))
	}
	if !slices.ContainsFunc(l.config.Routes, Route.Links) {
		l.doc.Warn("blobs", "no route links files", "write attachments: link on a route; links of earlier mail still work")
	}
}
