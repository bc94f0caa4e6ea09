package spool

import (
	"context"
	"time"
)

// LinkHash is the SHA-256 of the id in a link. The spool knows no more of a link, so
// that who reads the spool can follow none.
type LinkHash [32]byte

// File is a file of a message, as Accept stores it. Its octets are in the blob store
// already.
type File struct {
	ID            LinkHash
	Key           string      // of its object in the blob store: new, of Owner, and never given to another
	ContentDigest Fingerprint // SHA-256 of its octets
	Size          int64       // octets
	Name          string
	ContentType   string
	Inline        bool      // the HTML shows it as an image
	Expires       time.Time // of its link
}

// Attachment is a file with its link.
type Attachment struct {
	Number        int64     `json:"-"` // increases with each that is accepted
	QueueID       string    `json:"queue_id"`
	Route         string    `json:"route"`
	Name          string    `json:"name"`
	ContentType   string    `json:"content_type"`
	Size          int64     `json:"size"` // octets
	Inline        bool      `json:"inline,omitempty"`
	Accepted      time.Time `json:"accepted"`
	Expires       time.Time `json:"expires"`           // of its link; of a revoked one, when it was revoked
	Revoked       bool      `json:"revoked,omitempty"` // by an operator
	Key           string    `json:"object"`            // in the blob store; attachments of one route can share it
	ContentDigest string    `json:"sha256"`            // hexadecimal
}

// The states of a link.
const (
	LinkOpen    = "open"
	LinkExpired = "expired"
	LinkRevoked = "revoked"
)

// State is LinkOpen, LinkExpired or LinkRevoked.
func (a Attachment) State(now time.Time) string {
	switch {
	case a.Revoked:
		return LinkRevoked
	case !now.Before(a.Expires):
		return LinkExpired
	}
	return LinkOpen
}

// AttachmentFilter chooses attachments. Zero fields do not restrict.
type AttachmentFilter struct {
	QueueID string
	Route   string
	Limit   int   // at most so many, newest first; 0: 100
	Older   int64 // only those accepted before the one with this Number
}

// AttachmentPage is a part of a list of attachments.
type AttachmentPage struct {
	Attachments []Attachment
	Older       int64 // for AttachmentFilter.Older of the next page; 0: there are no older ones
}

// FileStats counts what is in the blob store.
type FileStats struct {
	Objects int   `json:"objects"` // files, each counted once in a route
	Bytes   int64 `json:"bytes"`   // their size
	Open    int   `json:"open"`    // links that have neither expired nor been revoked
	Garbage int   `json:"garbage"` // objects that nothing needs any longer, to be deleted
}

// Files is what the file server needs, and what keeps the blob store small.
type Files interface {
	// File returns the attachment of a link. The error is ErrNotFound for an unknown link
	// and for a revoked one alike. An expired one is returned for as long as it is known.
	File(ctx context.Context, id LinkHash) (Attachment, error)

	// UseStore records where objects are from now on. New messages do not share those that are
	// elsewhere, where the file may never have been copied from; nor does anything share those of
	// a message that began before, and comes from elsewhere after it.
	UseStore(ctx context.Context, location string) error

	// Missing records that an object is gone, by whatever fault: new messages do not share it.
	Missing(ctx context.Context, key string) error

	// SigningKey returns the key of the links, 32 random octets that are made once in the
	// life of a spool.
	SigningKey(ctx context.Context) ([]byte, error)

	Cleaning
}

// Cleaning removes from the blob store what no link needs, in this order: the spool
// forgets the links and remembers the objects as garbage, the objects are deleted, the
// spool forgets the garbage. What ends between two steps is taken up by the next round,
// of this process or of another.
type Cleaning interface {
	// Owner returns four octets that stand for this spool in the keys of its objects, so that it
	// never takes those of another for its own. A restored backup keeps them.
	Owner(ctx context.Context) ([4]byte, error)

	// PruneFiles deletes at most limit attachments whose links have expired or were
	// revoked, and returns their number; 0 means that there are no more. The object of the
	// last one becomes garbage.
	PruneFiles(ctx context.Context, now time.Time, limit int) (n int, err error)

	// Garbage returns the keys of at most limit objects to be deleted, in ascending order,
	// those behind the key after.
	Garbage(ctx context.Context, after string, limit int) ([]string, error)

	// Discard makes garbage of those objects that the spool does not know, and returns
	// their number. A message that names one of them from now on is refused.
	Discard(ctx context.Context, keys ...string) (n int, err error)

	// Deleted forgets garbage whose objects have been deleted.
	Deleted(ctx context.Context, keys ...string) error
}
