package spooltest

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// modelFiles is what the model knows of attachments.
type modelFiles struct {
	attached []*modelAttachment // in the order accepted
	garbage  map[string]bool
}

type modelAttachment struct {
	id spool.LinkHash
	spool.Attachment
}

// attach records the files of a message, and returns the keys that it does not use.
func (m *modelFiles) attach(msg *spool.Message) (unused []string) {
	for _, f := range msg.Files {
		a := &modelAttachment{f.ID, spool.Attachment{
			QueueID:       msg.QueueID,
			Route:         msg.Route,
			Name:          f.Name,
			ContentType:   f.ContentType,
			Size:          f.Size,
			Accepted:      msg.Accepted,
			Expires:       f.Expires,
			Key:           f.Key,
			ContentDigest: hex.EncodeToString(f.ContentDigest[:]),
		}}
		same := func(o *modelAttachment) bool { return o.Route == a.Route && o.ContentDigest == a.ContentDigest }
		if i := slices.IndexFunc(m.attached, same); i >= 0 {
			a.Key = m.attached[i].Key
			unused = append(unused, f.Key)
		}
		m.attached = append(m.attached, a)
	}
	return unused
}

func (m *modelFiles) revoke(now time.Time, queueID string) (n int) {
	for _, a := range m.attached {
		if a.QueueID != queueID || a.Revoked {
			continue
		}
		a.Revoked = true
		if now.Before(a.Expires) {
			a.Expires = now
		}
		n++
	}
	return n
}

// prune takes out what has ended.
func (m *modelFiles) prune(now time.Time) (n int) {
	gone := map[string]bool{}
	m.attached = slices.DeleteFunc(m.attached, func(a *modelAttachment) bool {
		ended := !now.Before(a.Expires)
		if ended {
			gone[a.Key] = true
			n++
		}
		return ended
	})
	for _, a := range m.attached {
		delete(gone, a.Key)
	}
	maps.Copy(m.garbage, gone)
	return n
}

func (m *modelFiles) stats(now time.Time) (s spool.FileStats) {
	objects := map[string]bool{}
	for _, a := range m.attached {
		if !objects[a.Key] {
			s.Objects++
			s.Bytes += a.Size
		}
		objects[a.Key] = true
		if now.Before(a.Expires) {
			s.Open++
		}
	}
	s.Garbage = len(m.garbage)
	return s
}

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
	clean := []spool.Cleaning{r.Spool, r.operator}[r.rand.IntN(2)]
	switch r.rand.IntN(4) {
	case 0:
		if len(files.attached) == 0 {
			return
		}
		id := files.attached[r.rand.IntN(len(files.attached))].QueueID
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
		if files.garbage[stray] {
			want = 0
		}
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

// compareFiles holds attachments, garbage and links against the model.
func (r *run) compareFiles() {
	files := &r.model.files
	got := r.Spool
	page, err := got.Attachments(r.Context(), spool.AttachmentFilter{Limit: 1_000_000})
	if err != nil {
		r.Fatalf("Attachments: %v", err)
	}
	slices.SortFunc(page.Attachments, func(a, b spool.Attachment) int { return cmp.Compare(a.Number, b.Number) })
	if len(page.Attachments) != len(files.attached) {
		r.Fatalf("there are %d attachments, want %d", len(page.Attachments), len(files.attached))
	}
	for i, want := range files.attached {
		want.Number = page.Attachments[i].Number
		if !reflect.DeepEqual(page.Attachments[i], want.Attachment) {
			r.Errorf("attachment %d is\n%+v, want\n%+v", i, page.Attachments[i], want.Attachment)
		}
		if a, err := got.File(r.Context(), want.id); (err != nil) != want.Revoked || err == nil && a != want.Attachment {
			r.Errorf("its link leads to %+v (%v)", a, err)
		}
	}
	r.garbage(slices.Sorted(maps.Keys(files.garbage))...)
	r.fileStats(files.stats(r.now))
}
