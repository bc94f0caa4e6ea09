package smtpd

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
)

// A spare has the size asked for, or up to a quarter more, and its place is that of no other size.
func TestSpareSizes(t *testing.T) {
	sizes := map[int]int64{}
	for n := int64(1<<minPower + 1); n <= maxSpare; n += 997 {
		size, place, ok := spareSize(n)
		again, same, _ := spareSize(size)
		if !ok || size < n || size > n+n/4 || again != size || same != place {
			t.Fatalf("%d: %d, %d", n, size, place)
		}
		if other, known := sizes[place]; known && other != size {
			t.Fatalf("%d and %d have place %d", other, size, place)
		}
		sizes[place] = size
	}
	if len(sizes) != len(spares) {
		t.Errorf("%d places of %d are used", len(sizes), len(spares))
	}
	for _, n := range []int64{-fieldRoom, 0, 1 << minPower, maxSpare + 1} {
		if _, _, ok := spareSize(n); ok {
			t.Errorf("there are spares of %d bytes", n)
		}
	}
}

// A buffer is used again when its message is over.
func TestSpares(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 1<<20)
	seen := map[*byte]bool{}
	for range 50 { // under the race detector, sync.Pool loses some
		b := messageBuffer{memory: newMemory(), account: "a", limits: Limits{}.orDefaults()}
		if err := b.read(bytes.NewReader(content), int64(len(content))); err != nil || !bytes.Equal(b.raw, content) {
			t.Fatalf("%d bytes: %v", len(b.raw), err)
		}
		first := &b.raw[0]
		b.free()
		if seen[first] {
			return
		}
		seen[first] = true
	}
	t.Error("each message has a buffer of its own")
}

// No message has a buffer of another, while either is in use: neither one that grows, nor one whose line
// endings are repaired.
func TestSparesAreNotShared(t *testing.T) {
	memory := newMemory()
	var sessions sync.WaitGroup
	for session := range 8 {
		sessions.Go(func() {
			for n := range 40 {
				line := fmt.Appendf(nil, "session %d message %d\n", session, n)
				content := bytes.Repeat(line, (100<<10+n<<12)/len(line))
				b := messageBuffer{memory: memory, account: "a", limits: Limits{}.orDefaults()}
				err := b.read(bytes.NewReader(content), int64(len(content))*int64(n%2))
				if err == nil {
					err = b.normalizeLineEndings()
				}
				want := bytes.ReplaceAll(content, []byte("\n"), crlf)
				whole, ok := b.prepend([]byte("X: y\r\n"), b.raw)
				if err != nil || !ok || !bytes.Equal(whole[len("X: y\r\n"):], want) {
					t.Errorf("message %d of session %d is another: %v", n, session, err)
				}
				b.free()
			}
		})
	}
	sessions.Wait()
	if memory.used != 0 {
		t.Errorf("%d bytes are still charged", memory.used)
	}
}
