package blob

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/url"
	"strings"
	"time"
)

// ID is what a link stands for: 128 random bits, drawn for each link.
type ID [16]byte

// Hash returns what may be stored of an id: nobody can make a link of it.
func (id ID) Hash() [32]byte { return sha256.Sum256(id[:]) }

// PathPrefix begins the path of a link, behind the public URL.
const PathPrefix = "/f/"

// Links makes the links to files, and recognises them. A link is
//
//	PUBLIC_URL/f/TOKEN/NAME
//
// where TOKEN is id, expiry and MAC in base64url (RFC 4648, section 5), and NAME is for people: it
// decides nothing. Many goroutines may use Links.
type Links struct {
	key       []byte
	publicURL string
}

// NewLinks returns the Links of a signing key, which is kept, and of the URL by which recipients
// reach the file server. Links of another URL with the same key are recognised alike.
func NewLinks(key []byte, publicURL string) *Links {
	return &Links{key: key, publicURL: strings.TrimRight(publicURL, "/")}
}

// A token is the id, the expiry as Unix time in seconds (8 octets, big endian), and the MAC of both.
const (
	signedSize = len(ID{}) + 8
	macSize    = 16 // 128 bits cannot be guessed
	tokenSize  = signedSize + macSize
)

// New returns the token of a new link, and its id. Of expires it keeps whole seconds. It panics if
// random fails, as crypto/rand.Reader never does.
func (l *Links) New(random io.Reader, expires time.Time) (token string, id ID) {
	if _, err := io.ReadFull(random, id[:]); err != nil {
		panic(err)
	}
	text := binary.BigEndian.AppendUint64(id[:], uint64(expires.Unix()))
	return encode(append(text, l.mac(text)...)), id
}

// URL returns the link of a token. The name is that of the file, in any script.
func (l *Links) URL(token, name string) string {
	link := l.publicURL + PathPrefix + token
	if strings.Trim(name, ".") == "" { // the path segments . and .. would change the path
		return link
	}
	return link + "/" + url.PathEscape(name)
}

// Parse returns the id of a token, and when its link expires. ok is false unless New made the token
// with the same key: then nothing else is known of it. The time that Parse takes does not reveal how
// much of a MAC is right.
func (l *Links) Parse(token string) (id ID, expires time.Time, ok bool) {
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(data) != tokenSize || encode(data) != token { // one id has one token only
		return ID{}, time.Time{}, false
	}
	if !hmac.Equal(data[signedSize:], l.mac(data[:signedSize])) {
		return ID{}, time.Time{}, false
	}
	seconds := binary.BigEndian.Uint64(data[len(id):])
	return ID(data), time.Unix(int64(seconds), 0), true
}

func (l *Links) mac(text []byte) []byte {
	mac := hmac.New(sha256.New, l.key)
	mac.Write(text)
	return mac.Sum(nil)[:macSize]
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
