package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"heyrelay/internal/blob"
	"heyrelay/internal/config"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
)

// Blobs is the part of blob.Store that a Handler uses.
type Blobs interface {
	Put(ctx context.Context, key string, size int64, open func() io.Reader) error
	Delete(ctx context.Context, key string) error
}

// Files is where the files of messages are stored, and how they are linked.
type Files struct {
	Blobs    Blobs
	Location string // of Blobs, as the spool knows it
	Links    *blob.Links
	Owner    blob.Owner // the spool, which knows the files
	Random   io.Reader  // for ids and keys; cryptographically secure, safe for concurrent use
	Discards *Discards
}

// storeTime is how long the store may take for the files of a message. A client waits for its reply
// for ten minutes (RFC 5321, section 4.5.3.2.6), impatient ones for less.
const storeTime = 2 * time.Minute

// storeWidth is how many files of a message are stored at a time: a bucket takes a while for each,
// however small it is.
const storeWidth = 4

var (
	errFile  = errors.New("attachment refused")
	errStore = errors.New("the files of the message were not stored")
)

// newFile is a file of a message that is not stored yet.
type newFile struct {
	spool.File
	open func() io.Reader // of the message
}

// linker makes links to the files of a message, and remembers the files. It stores nothing.
type linker struct {
	*Files
	refuse  []string // config.Blobs.Refuse
	expires time.Time
	files   []newFile
}

// link is for mimeconv.Options.
func (l *linker) link(a mimeconv.Attachment) (string, error) {
	if err := l.check(a); err != nil {
		return "", err
	}
	digest, err := digestOf(a)
	if err != nil {
		return "", err
	}
	token, id := l.Links.New(l.Random, l.expires)
	f := spool.File{
		ID:            id.Hash(),
		Key:           l.Owner.NewKey(l.Random),
		ContentDigest: digest,
		Size:          a.Size,
		Name:          a.Name,
		ContentType:   a.ContentType,
		Inline:        a.Inline,
		Expires:       l.expires,
	}
	l.files = append(l.files, newFile{f, a.Open})
	return l.Links.URL(token, a.Name), nil
}

// check returns why a file is refused: for the ending of its name, or of those that files with its
// content have.
func (l *linker) check(a mimeconv.Attachment) error {
	ending := strings.ToLower(strings.TrimPrefix(path.Ext(a.Name), "."))
	switch {
	case slices.Contains(l.refuse, ending):
		return fmt.Errorf("%w: %q is refused by blobs.refuse: %s", errFile, a.Name, ending)
	case slices.Contains(l.refuse, a.Ending):
		return fmt.Errorf("%w: %q has the content of a file of the type %s, which is refused by blobs.refuse",
			errFile, a.Name, a.Ending)
	}
	return nil
}

// addTo adds the files to a message, as the spool stores them.
func (l *linker) addTo(m *spool.Message) {
	for _, f := range l.files {
		m.Files = append(m.Files, f.File)
		m.FilesAt = l.Location
	}
}

// digests returns what links to the same files in place of link: each time the same addresses, so
// that a message that is converted again has the same bodies.
func (l *linker) digests() func(mimeconv.Attachment) (string, error) {
	next := 0
	return func(mimeconv.Attachment) (string, error) {
		f := l.files[next]
		next++
		return contentAddress(f.ContentDigest), nil
	}
}

// linkContent is used in place of link for a message that is not converted to links.
func linkContent(a mimeconv.Attachment) (string, error) {
	digest, err := digestOf(a)
	return contentAddress(digest), err
}

// contentAddress stands for the link to a file in the digest of a message.
func contentAddress(file spool.Fingerprint) string {
	return "https://sha256/" + hex.EncodeToString(file[:])
}

// digestOf returns the SHA-256 of the octets of a file.
func digestOf(a mimeconv.Attachment) (spool.Fingerprint, error) {
	h := sha256.New()
	_, err := io.Copy(h, a.Open())
	return spool.Fingerprint(h.Sum(nil)), err
}

// until returns the last day on which a link can be used all day, wherever its reader is. For one
// that is short-lived, it is the minute at which it expires.
func until(expires time.Time, lifetime time.Duration) string {
	const (
		behind = 12 * time.Hour // the last time zone ends a day so long after UTC
		day    = 24 * time.Hour
	)
	if lifetime < 3*day {
		return expires.UTC().Format("2 January 2006, 15:04 UTC")
	}
	return expires.UTC().Add(-day - behind).Format("2 January 2006")
}

// linkFiles has the files of a message linked, if there is a store.
func (p planner) linkFiles(o *mimeconv.Options, r *config.Route, l *linker) {
	if p.store == nil {
		return
	}
	o.Link = l.link
	o.Block = p.blocks[r.Name]
	o.Expires = l.expires
	o.Until = until(l.expires, p.cfg.Blobs.Expire.Std())
}

// store stores the files of a message, all or none, some at a time.
func (h *Handler) store(ctx context.Context, files []newFile) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	next := make(chan newFile, len(files))
	for _, f := range files {
		next <- f
	}
	close(next)
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var all sync.WaitGroup
	for range min(storeWidth, len(files)) {
		all.Go(func() {
			for f := range next {
				if err := h.put(ctx, f); err != nil {
					fail(err) // the first error counts
				}
			}
		})
	}
	all.Wait()
	err := context.Cause(ctx)
	if err == nil {
		return nil
	}
	h.discard(files)
	return fmt.Errorf("%w: %w", errStore, err)
}

// put stores a file, unless the message cannot be stored any more.
func (h *Handler) put(ctx context.Context, f newFile) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return h.o.Files.Blobs.Put(ctx, f.Key, f.Size, f.open)
}

// discard has the objects of files deleted that no message has.
func (h *Handler) discard(files []newFile) {
	for _, f := range files {
		h.o.Files.Discards.add(h.o.Files.Blobs, f.Key)
	}
}

// notAccepted discards the files of a message that the spool has refused. Where it is not certain
// that it has, they are kept: what no message has is removed when it is a day old.
func (h *Handler) notAccepted(plan *Plan, cause error) {
	certain := []error{
		spool.ErrConvo, spool.ErrKey, spool.ErrFull, spool.ErrReadOnly, spool.ErrClosed, context.Canceled,
	}
	if slices.ContainsFunc(certain, func(e error) bool { return errors.Is(cause, e) }) {
		h.discard(plan.files)
	}
}
