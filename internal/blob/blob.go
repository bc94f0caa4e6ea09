// Package blob stores files that were attached to messages until they are fetched: in a folder, or in a
// bucket of an S3-compatible store.
package blob

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Errors that a store returns, to be compared with errors.Is. An error that is none of them came from the
// reader that Put was given, or from a context that ended.
var (
	ErrNotFound    = errors.New("no such object in the blob store")
	ErrUnavailable = errors.New("the blob store is not available")       // down, or failing: a later try may succeed
	ErrFull        = errors.New("the blob store has no space left")      // out of space, or below Options.MinFree
	ErrDenied      = errors.New("the blob store does not allow this")    // wrong credentials, read-only disk
	ErrKey         = errors.New("the key is not one that NewKey makes")  // nothing was stored or looked up
	ErrContent     = errors.New("the content is not as large as stated") // Put's reader gave more or less than size
)

// Store keeps objects. Its methods may be called by many goroutines, also of several processes on one store.
// An object never changes: a key is used once.
type Store interface {
	// Put stores the size octets that open's reader gives, durably, and whole or not at all. It calls open for
	// each pass over the content, of which it may need several, and reads nothing after it has returned.
	Put(ctx context.Context, key string, size int64, open func() io.Reader) error

	// Open returns an object, which can be read until ctx ends.
	Open(ctx context.Context, key string) (Object, error)

	// Delete removes an object, and what an interrupted Put left of it. It is no error if there is nothing.
	Delete(ctx context.Context, key string) error

	// List calls each with every object, in no order, until it returns an error. What an interrupted Put left
	// is listed by its key, too, as it takes room until it is deleted. Objects that were stored or deleted
	// since List began may be listed or not. Files that Put did not store are passed over.
	List(ctx context.Context, each func(Info) error) error

	// Ping returns the error that keeps the store from being used now.
	Ping(ctx context.Context) error
}

// Object is the content of an object. One goroutine at a time may use it.
type Object interface {
	io.ReadSeekCloser

	// Size is the length in octets.
	Size() int64
}

// Info describes a stored object.
type Info struct {
	Key    string
	Size   int64     // in octets
	Stored time.Time // by the clock of the store
}

// keyLength is that of a key: 16 octets in hexadecimal.
const keyLength = 32

// Owner stands for the spool that knows an object. Several spools can share a store: what one of them
// does not know is not for it to delete, unless the key says that it is its own.
type Owner [4]byte

// NewKey returns a key for an object to be stored: 96 random bits, which say nothing of its content,
// and the owner. It panics if random fails, as crypto/rand.Reader never does.
func (o Owner) NewKey(random io.Reader) string {
	key := make([]byte, keyLength/2-len(o))
	if _, err := io.ReadFull(random, key); err != nil {
		panic(err)
	}
	return hex.EncodeToString(append(key, o[:]...))
}

// Owns reports whether NewKey of o made a key.
func (o Owner) Owns(key string) bool {
	return isKey(key) && strings.HasSuffix(key, hex.EncodeToString(o[:]))
}

// isKey reports whether NewKey could have made s.
func isKey(s string) bool {
	if len(s) != keyLength {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// checkKey returns ErrKey for what is no key.
func checkKey(key string) error {
	if !isKey(key) {
		return fmt.Errorf("%w: %.40q", ErrKey, key)
	}
	return nil
}
