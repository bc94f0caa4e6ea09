package spooltest

import (
	"fmt"
	"time"

	"heyrelay/internal/spool"
)

// attachments gives a message files: of few contents, so that they meet.
func (r *run) attachments(m *spool.Message) {
	m.Files = nil
	for i := range max(0, r.rand.IntN(6)-3) {
		content := fmt.Sprint("content ", r.rand.IntN(6))
		f := r.with(letter{}, content).Files[0]
		f.Key = fmt.Sprintf("object-%d-%d", r.n, i)
		f.Expires = m.Accepted.Add(time.Duration(r.rand.IntN(900)) * time.Second)
		m.Files = append(m.Files, f)
	}
}

// cleanFiles revokes, or does a step of the cleaning, on either side.
func (r *run) cleanFiles() {
	files := &r.model.files
	clean := pick(r.rand, []spool.Cleaning{r.Spool, r.operator})
	switch r.rand.IntN(5) {
	case 0:
		if len(files.attached) == 0 {
			return
		}
		id := pick(r.rand, files.attached).QueueID
		r.revoked(id, files.revoke(r.now, id))
		r.see("link revoked", true)
	case 1:
		want := files.prune(r.now)
		if n, err := clean.PruneFiles(r.Context(), r.now, 1000); n != want || err != nil {
			r.Errorf("PruneFiles deleted %d (%v), want %d", n, err, want)
		}
	case 2:
		stray := fmt.Sprint("stray ", r.n)
		keys, want := []string{stray}, 1
		for _, a := range files.attached {
			keys = append(keys, a.Key)
		}
		if files.garbage[stray] { // no message has come since the last
			want = 0
		}
		if n, err := clean.Discard(r.Context(), keys...); n != want || err != nil {
			r.Errorf("Discard made %d garbage (%v), want %d", n, err, want)
		}
		files.garbage[stray] = true
	case 3:
		if len(files.attached) == 0 {
			return
		}
		key := pick(r.rand, files.attached).Key
		r.must(r.Missing(r.Context(), key))
		for _, a := range files.attached {
			a.alone = a.alone || a.Key == key
		}
		r.see("missing", true)
	default:
		for key := range files.garbage {
			if err := clean.Deleted(r.Context(), key); err != nil {
				r.Fatalf("Deleted: %v", err)
			}
			delete(files.garbage, key)
			r.see("object deleted", true)
			break
		}
	}
}
