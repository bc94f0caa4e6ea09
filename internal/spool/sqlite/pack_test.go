package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"

	"heyrelay/internal/spool"
	"heyrelay/test/mailbody"
)

// noise are n octets that nothing packs.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // it never fails
	return b
}

// TestPack packs bodies, and unpacks the same. What gets no smaller, and what is too large, stays as it is.
func TestPack(t *testing.T) {
	table := mailbody.Alternative()
	long := strings.Repeat("0123456789\r\n", maxPacked/12)
	for _, c := range []struct {
		name string
		body body
		most float64 // of its octets; 1: it is not packed
	}{
		{"a line", body{"<p>Hi</p>", "Hi", 3, []byte("Subject: Hi\r\n\r\nHi\r\n")}, 1},
		{"4 KB", body{"<p>" + plain, plain, 3, []byte("Subject: Hi\r\n" + plain)}, 0.4},
		{"30 KB", body{table, plain, 0, []byte(table)}, 0.4},
		{"no bodies", body{"", "", 0, []byte(table)}, 0.6},
		{"a file", body{"<p>Hi</p>", "Hi", 3, noise(100_000)}, 1},
		{"no source", body{plain, plain, 3, nil}, 1},
		{"invalid UTF-8", body{plain + "\xff\x00", plain, 0, []byte("\xff\x00" + plain)}, 0.4},
		{"just in one row", body{"", "", 0, []byte(long[:pieceSize-1])}, 0.1},
		{"in pieces", body{"", "", 0, []byte(long[:pieceSize])}, 1},
		{"as much as can be", body{long[:maxPacked-lengths-3], "Hi", 0, []byte("x")}, 0.1},
		{"too much", body{long[:maxPacked-lengths-2], "Hi", 0, []byte("x")}, 1},
	} {
		b := c.body
		b.pack(nil)
		size := len(c.body.html) + len(c.body.text) + len(c.body.raw)
		if isPacked := b.subjectOffset == packed; isPacked != (c.most < 1) || float64(len(b.raw)) > c.most*float64(size) {
			t.Errorf("%s: %d octets became %d, packed is %t", c.name, size, len(b.raw), isPacked)
		}
		bodies := b
		if err := b.unpack("Q1", withRaw); err != nil || !reflect.DeepEqual(b, c.body) {
			t.Errorf("%s: it came back with %d, %d and %d octets, %v", c.name, len(b.html), len(b.text), len(b.raw), err)
		}
		if err := bodies.unpack("Q1", bodiesOnly); err != nil || bodies.html != b.html || bodies.text != b.text {
			t.Errorf("%s: its bodies came back with %d and %d octets, %v", c.name, len(bodies.html), len(bodies.text), err)
		}
	}
}

// packedPlain is a message of 4 KB, packed.
func packedPlain(t *testing.T) []byte {
	t.Helper()
	b := body{plain, plain, 0, []byte(plain)}
	b.pack(nil)
	if b.subjectOffset != packed {
		t.Fatal("it was not packed")
	}
	return b.raw
}

// TestUnpackDamaged changes each octet of a packed message, and cuts it at each.
func TestUnpackDamaged(t *testing.T) {
	whole := packedPlain(t)
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 0x10
		for _, raw := range [][]byte{changed, whole[:i]} {
			b := body{subjectOffset: packed, raw: raw}
			if err := b.unpack("Q1", withRaw); !errors.Is(err, spool.ErrCorrupt) {
				t.Fatalf("octet %d of %d: error %v, want ErrCorrupt", i, len(raw), err)
			}
		}
	}
}

// sealed is a block with its checksum.
func sealed(block []byte) []byte {
	return append(be.AppendUint32(nil, crc32.Checksum(block, castagnoli)), block...)
}

// TestUnpackLies has packed messages claim more than they have. None of them costs memory.
func TestUnpackLies(t *testing.T) {
	said := func(html, text uint32, rest string) []byte {
		b := be.AppendUint32(be.AppendUint32(make([]byte, 4), html), text)
		return sealed(s2.Encode(nil, append(b, rest...)))
	}
	lies := map[string][]byte{
		"nothing":              nil,
		"no block":             sealed(nil),
		"no lengths":           sealed(s2.Encode(nil, make([]byte, lengths-1))),
		"128 MB":               sealed([]byte{0x80, 0x80, 0x80, 0x40, 0, 0}),
		"more than is packed":  sealed(s2.Encode(nil, make([]byte, maxPacked+1))),
		"more html":            said(3, 0, "Hi"),
		"more text":            said(1, 2, "Hi"),
		"an overflow of both":  said(1<<31, 1<<31+1, "Hi"),
		"a copy of what is no": sealed([]byte{100, 0x01, 0xff, 0, 0, 0, 0, 0}),
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, raw := range lies {
		b := body{subjectOffset: packed, raw: raw}
		if err := b.unpack("Q1", withRaw); !errors.Is(err, spool.ErrCorrupt) {
			t.Errorf("%s: error %v, want ErrCorrupt", name, err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > maxPacked {
		t.Errorf("they cost %d octets", grown)
	}
}

// FuzzUnpack unpacks blocks with a correct checksum: all that comes back was in the block.
func FuzzUnpack(f *testing.F) {
	f.Add(s2.Encode(nil, append(make([]byte, lengths), plain...)))
	f.Add(s2.Encode(nil, []byte("\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03HiHello")))
	f.Fuzz(func(t *testing.T, block []byte) {
		b := body{subjectOffset: packed, raw: sealed(block)}
		if err := b.unpack("Q1", withRaw); err != nil {
			if !errors.Is(err, spool.ErrCorrupt) {
				t.Fatalf("error %v, want ErrCorrupt", err)
			}
			return
		}
		all, err := s2.Decode(nil, block)
		if err != nil || b.html+b.text+string(b.raw) != string(all[lengths:]) {
			t.Errorf("%q, %q and %q came out of %q, %v", b.html, b.text, b.raw, all, err)
		}
	})
}

// TestPackedTogether accepts different messages at once: each is stored as it was packed.
func TestPackedTogether(t *testing.T) {
	s := openSpool(t, Options{})
	source := func(i int64) []byte { return bytes.Repeat(fmt.Appendf(nil, "message %d. ", i), 100) }
	const many = 200
	each(32, many, func(i int64) {
		m := mail(i)
		m.Raw = source(i)
		if _, err := s.Accept(t.Context(), m); err != nil {
			t.Error(err)
		}
	})
	for i := range int64(many) {
		c, err := s.Content(t.Context(), mail(i).QueueID)
		if err != nil || !bytes.Equal(c.Raw, source(i)) {
			t.Fatalf("message %d has become %.40q, %v", i, c.Raw, err)
		}
	}
}

// TestDamagedBody has one of three packed messages of a team meet damage: each reader of it names it, it is claimed
// as one that cannot be read, and reported without its source. The others are claimed and shown as ever, and mail is
// accepted.
func TestDamagedBody(t *testing.T) {
	s := openSpool(t, Options{})
	for i := range int64(3) {
		if _, err := s.Accept(t.Context(), mail(i)); err != nil {
			t.Fatal(err)
		}
	}
	alter(t, s.path, "UPDATE content SET raw = substr(raw, 1, 40) WHERE message = 2")
	_, contentErr := s.Content(t.Context(), "Q1")
	_, sendsErr := s.Sends(t.Context(), "Q1")
	tasks, _, err := s.Claim(t.Context(), epoch, time.Minute, spool.Capacity{Team: "shop", Rate: plenty, Free: 10})
	if err != nil || len(tasks) != 3 {
		t.Fatalf("claimed %d (%v), want 3", len(tasks), err)
	}
	slices.SortFunc(tasks, func(a, b *spool.Task) int { return int(a.Request - b.Request) })
	bad := tasks[1]
	for _, err := range []error{contentErr, sendsErr, bad.Unreadable} {
		if !errors.Is(err, spool.ErrCorrupt) {
			t.Fatalf("error %v, want ErrCorrupt", err)
		}
		wantText(t, err, "content of Q1: its checksum is wrong", "check the disk")
	}
	for _, good := range []*spool.Task{tasks[0], tasks[2]} {
		if good.Unreadable != nil || good.Text == "" {
			t.Errorf("claimed %+v", good)
		}
	}
	o := spool.Outcome{Task: bad, State: spool.Failed, Reason: "damaged", Report: spool.FailedAction}
	if all, err := s.Finish(t.Context(), epoch, o); err != nil || all[0].Err != nil {
		t.Errorf("it cannot be ended: %v %v", all, err)
	}
	due, _, err := s.Notices(t.Context(), epoch, time.Minute, spool.Mail, 10)
	if err != nil || len(due) != 1 || due[0].Report.Raw != nil || len(due[0].Report.Recipients) == 0 {
		t.Errorf("reports: %+v, %v", due, err)
	}
	if _, letters, err := s.Conversation(t.Context(), 2, 0, 1); err != nil || len(letters) != 1 || letters[0].Head != nil {
		t.Errorf("its conversation: %+v, %v", letters, err)
	}
	if _, err := s.Accept(t.Context(), mail(3)); err != nil {
		t.Errorf("the next message: %v", err)
	}
}

// TestPackedBackup restores packed messages.
func TestPackedBackup(t *testing.T) {
	s := openSpool(t, Options{})
	fill(t, s, 1)
	to := filepath.Join(t.TempDir(), "backup.db")
	if err := Backup(t.Context(), s.path, to, epoch); err != nil {
		t.Fatal(err)
	}
	c, err := openFile(t, to, Options{}).Content(t.Context(), "Q0")
	if err != nil || c.Text != mail(0).Text || !bytes.Equal(c.Raw, mail(0).Raw) {
		t.Errorf("restored: %+v, %v", c, err)
	}
}
