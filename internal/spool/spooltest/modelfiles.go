package spooltest

import (
	"encoding/hex"
	"maps"
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
	id    spool.LinkHash
	alone bool // new messages do not share its object
	spool.Attachment
}

// attach records the files of a message, and returns the keys that it does not use.
func (m *modelFiles) attach(msg *spool.Message) (unused []string) {
	for _, f := range msg.Files {
		a := &modelAttachment{id: f.ID, Attachment: spool.Attachment{
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
		same := func(o *modelAttachment) bool {
			return o.Route == a.Route && o.ContentDigest == a.ContentDigest && !o.alone
		}
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
