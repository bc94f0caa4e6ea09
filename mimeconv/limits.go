package mimeconv

import "fmt"

// The limits. Each stops an input whose cost grows faster than its size or that no mail
// program produces. All are well above the largest real messages seen.
const (
	// maxRaw bounds the whole message, in octets. Mail systems carry 10 to 50 MB.
	maxRaw = 64 << 20

	// maxHeader bounds the header of the message and of each part, in octets. The
	// largest real header seen has 210 KB, mostly trace fields.
	maxHeader = 256 << 10

	// maxHeaders bounds the headers of all parts together, in octets: 1,000 parts with
	// 300 octets have a third of it.
	maxHeaders = 1 << 20

	// maxMediaField bounds a Content-Type or Content-Disposition field, in octets, since
	// parsing them is slow. Real fields stay under 1 KB.
	maxMediaField = 16 << 10

	// maxBoundary bounds a boundary, in octets. RFC 2046, section 5.1.1, allows 70.
	maxBoundary = 1000

	// maxField bounds the part of a field that is decoded as text, in octets: a title of 255
	// characters has 1 KB, and encoded four times as much.
	maxField = 8 << 10

	// maxDate bounds a Date field, in octets.
	maxDate = 256

	// maxAddresses bounds the addresses in a field, in all fields of a name and in all
	// Resent-* blocks. The API sends to ten.
	maxAddresses = 5000

	// maxControl bounds the values of one control header, in octets.
	maxControl = 2 << 10

	// maxMultiparts bounds the multiparts of one message without those in forwarded
	// messages. Real mail nests 7 deep and has at most 12.
	maxMultiparts = 12

	// maxMultipartsInAll bounds them with those in forwarded messages, and the boundaries
	// that are searched for in one message.
	maxMultipartsInAll = 120

	// maxParts bounds the parts in all messages.
	maxParts = 1000

	// maxForwards bounds the nesting of messages, since each level is read again.
	maxForwards = 8

	// maxBody bounds the decoded text of all text parts together and each resulting body,
	// in octets. Newsletters stay under 1 MB, which is the default limit of the API.
	maxBody = 8 << 20

	// maxCalendars bounds the calendars of a message that are compared with the text beside them:
	// each comparison reads all of that text. Invitations have one.
	maxCalendars = 10

	// maxTags bounds the tags of all HTML parts together. Newsletters have 10,000, a
	// report of 2,000 rows and 10 columns has 44,000. More hardly fit into 1 MB.
	maxTags = 60_000

	// maxPlaces bounds the references to images in HTML. Real mail has a hundred.
	maxPlaces = 1000
)

// fence counts what a message and all the messages within it use.
type fence struct {
	multiparts int // number of multiparts in all messages
	parts      int // number of parts in all messages
	headers    int // octets in the headers of parts of all messages
	forwards   int // nesting depth of the current message
	guesses    guesses
}

// enter counts a message within a message. The caller calls leave at its end.
func (f *fence) enter() error {
	f.forwards++
	if f.forwards > maxForwards {
		return refuse(ErrTooComplex, "messages are nested more than %d deep", maxForwards)
	}
	return nil
}

func (f *fence) leave() { f.forwards-- }

// addParts counts n parts.
func (f *fence) addParts(n int) error {
	f.parts += n
	if f.parts > maxParts {
		return refuse(ErrTooComplex, "the message has more than %d parts", maxParts)
	}
	return nil
}

// refuse returns the Error for a message that cannot be converted.
func refuse(kind ErrorKind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}
