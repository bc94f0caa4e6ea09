package smtpd

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// All contents of up to seven CRs, LFs and letters: after the repair every CR and LF is part
// of a CRLF, and an independent implementation gives the same result.
func TestRepair(t *testing.T) {
	contents := []string{""}
	for from, n := 0, 0; n < 7; n++ {
		to := len(contents)
		for _, s := range contents[from:to] {
			contents = append(contents, s+"\r", s+"\n", s+"x")
		}
		from = to
	}
	for _, s := range contents {
		memory := newMemory()
		in := messageBuffer{memory: memory, account: "a", limits: Limits{MessageSize: 100, InFlight: 1000}}
		if err := in.read(iotest.OneByteReader(strings.NewReader(s)), 0); err != nil {
			t.Fatal(err)
		}
		if err := in.normalizeLineEndings(); err != nil {
			t.Fatal(err)
		}
		if got, want := string(in.raw), repaired(s); got != want {
			t.Fatalf("%q: %q, want %q", s, got, want)
		}
		if got := RepairLineEndings([]byte(s)); !bytes.Equal(got, in.raw) {
			t.Fatalf("%q: %q, and the server makes %q", s, got, in.raw)
		}
		if where := findBareLineEnding(in.raw); where != "" {
			t.Fatalf("%q repaired: %s", s, where)
		}
		if got, want := findBareLineEnding([]byte(s)) != "", repaired(s) != s; got != want {
			t.Fatalf("%q refused: %v", s, got)
		}
		in.free()
		if used := memory.used; used != 0 {
			t.Fatalf("%q: %d bytes used", s, used)
		}
	}
}

func TestRefusedLine(t *testing.T) {
	for content, want := range map[string]string{
		"a\nb\r\n":       "Bare LF in line 1",
		"a\r\nb\rc\r\n":  "Bare CR in line 2",
		"\r\n\r\n\r\r\n": "Bare CR in line 3",
		"a\r\n\n":        "Bare LF in line 2",
	} {
		if got := findBareLineEnding([]byte(content)); got != want {
			t.Errorf("%q: %s, want %s", content, got, want)
		}
	}
}

// When its first buffer is full, a message has one of the size announced, which takes no memory from others;
// unless much is announced already that has not come.
func TestAnnouncedBuffer(t *testing.T) {
	const size, arrived, messages = 1 << 20, 100 << 10, 3
	memory := newMemory()
	limits := Limits{MessageSize: size, InFlight: 8 * size}
	var whole []bool // of each message: whether there is room for all of it
	var begin func()
	begin = func() {
		b := &messageBuffer{memory: memory, account: "a", limits: limits}
		stall := func() {
			whole = append(whole, cap(b.room) > size)
			if most := int64(2 * arrived * len(whole)); memory.used > most || memory.lent > limits.InFlight/4 {
				t.Errorf("%d messages: %d bytes are charged and %d lent", len(whole), memory.used, memory.lent)
			}
			if len(whole) < messages {
				begin()
			}
		}
		content := io.MultiReader(bytes.NewReader(make([]byte, arrived)), stalling(stall))
		if err := b.read(content, size); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
		b.free()
	}
	begin()
	if !slices.Equal(whole, []bool{true, true, false}) || memory.used+memory.lent != 0 {
		t.Errorf("%v; %d bytes are still charged and %d lent", whole, memory.used, memory.lent)
	}
}

// stalling is called in place of a Read that fails.
type stalling func()

func (s stalling) Read([]byte) (int, error) {
	s()
	return 0, io.ErrUnexpectedEOF
}

// Whatever size is announced, a message of exactly the limit is accepted, and at most twice as
// much memory is reserved as data has arrived.
func TestMessageBuffer(t *testing.T) {
	const limit = 3 << 20
	sizes := []int{
		0, 1, 511, 512, 513, initialSize - 1, initialSize, initialSize + 1, 1 << 20, 1<<20 + 1,
		limit - 1, limit, limit + 1,
	}
	for _, size := range sizes {
		for _, announced := range []int64{0, 1, int64(size), limit} {
			memory := newMemory()
			in := messageBuffer{memory: memory, account: "a", limits: Limits{MessageSize: limit, InFlight: 2 * limit}}
			content := bytes.Repeat([]byte("x"), size)
			err := in.read(bytes.NewReader(content), announced)
			if (err == nil) != (size <= limit) || err == nil && !bytes.Equal(in.raw, content) {
				t.Errorf("%d bytes, announced %d: %v", size, announced, err)
			}
			taken := memory.used
			tooMuch := taken > 2*int64(size) && (taken > initialSize || size == 0)
			if taken != int64(cap(in.raw)) || tooMuch || memory.lent != 0 {
				t.Errorf("%d bytes, announced %d: took %d", size, announced, taken)
			}
		}
	}
}
