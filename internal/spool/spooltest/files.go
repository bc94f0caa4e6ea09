package spooltest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// fileCases say what is known of attachments, and when their objects go.
var fileCases = []testCase{
	{"Stored", func(f *fixture) { // what goes in comes out, of the link alone
		m := f.with(letter{route: "news"}, "content")
		m.Files[0].Name, m.Files[0].ContentType, m.Files[0].Inline = "Größe 1.pdf", "application/pdf", true
		if r := f.accept(m); r.Unused != nil {
			f.Errorf("unused: %v", r.Unused)
		}
		want := spool.Attachment{
			Number: 1, QueueID: "Q1", Route: "news", Name: "Größe 1.pdf", ContentType: "application/pdf", Size: 7,
			Inline: true, Accepted: epoch, Expires: epoch.Add(90 * day), Key: "object-1-0",
			ContentDigest: hex.EncodeToString(m.Files[0].ContentDigest[:]),
		}
		f.reopen()
		if got := f.file(m, 0); got != want {
			f.Errorf("it is\n%+v, want\n%+v", got, want)
		}
		if got := f.attachments(spool.AttachmentFilter{}); !slices.Equal(got, []spool.Attachment{want}) {
			f.Errorf("listed: %+v", got)
		}
		if detail, err := f.Show(f.Context(), "Q1"); !slices.Equal(detail.Attachments, []spool.Attachment{want}) {
			f.Errorf("shown: %+v (%v)", detail, err)
		}
	}},
	{"Shared", func(f *fixture) { // a route has the same octets once, whatever they are called
		first, second := f.with(letter{}, "same", "other", "same"), f.with(letter{}, "same")
		second.Files[0].Name = "renamed.pdf"
		f.unused(f.accept(first), "object-1-2")
		f.unused(f.accept(second), "object-2-0")
		if a := f.file(second, 0); a.Key != "object-1-0" || a.Name != "renamed.pdf" || a.QueueID != "Q2" {
			f.Errorf("the second message has %+v", a)
		}
		f.fileStats(spool.FileStats{Objects: 2, Bytes: 9, Open: 4})
	}},
	{"NotSharedAcrossRoutes", func(f *fixture) { // who sends by one route learns nothing of another
		f.accept(f.with(letter{}, "same"))
		other := f.with(letter{route: "news"}, "same")
		f.unused(f.accept(other))
		if a := f.file(other, 0); a.Key != "object-2-0" {
			f.Errorf("the other route has %+v", a)
		}
	}},
	{"StoreReplaced", func(f *fixture) { // what was stored elsewhere is not shared; its links are known
		f.must(f.UseStore(f.Context(), "one"))
		first := f.withAt("one", "same")
		f.accept(first)
		f.reopen()
		f.must(f.UseStore(f.Context(), "one"))
		f.unused(f.accept(f.withAt("one", "same")), "object-2-0")
		f.must(f.UseStore(f.Context(), "two"))
		f.unused(f.accept(f.withAt("two", "same")))
		fourth := f.withAt("two", "same")
		f.unused(f.accept(fourth), "object-4-0")
		if old, now := f.file(first, 0).Key, f.file(fourth, 0).Key; old != "object-1-0" || now != "object-3-0" {
			f.Errorf("the first leads to %s, the last to %s", old, now)
		}
	}},
	{"StoreReplacedMeanwhile", func(f *fixture) { // what was stored elsewhere and is accepted later is not shared, either
		f.must(f.UseStore(f.Context(), "one"))
		late := f.withAt("one", "same", "same")
		f.must(f.UseStore(f.Context(), "two"))
		f.unused(f.accept(late))
		second := f.withAt("two", "same")
		f.unused(f.accept(second))
		f.unused(f.accept(f.withAt("one", "same")))
		if a := f.file(second, 0); a.Key != "object-2-0" {
			f.Errorf("it leads to %s, which is elsewhere", a.Key)
		}
		f.unused(f.accept(f.withAt("two", "same")), "object-4-0")
	}},
	{"Missing", func(f *fixture) { // an object that is gone is not shared
		f.accept(f.with(letter{}, "same", "other"))
		f.must(f.Missing(f.Context(), "object-1-0"))
		f.unused(f.accept(f.with(letter{}, "same", "other")), "object-2-1")
	}},
	{"Repeat", func(f *fixture) { // of a message uses none of its files, also if it revives it
		l := letter{id: "m", window: day}
		first := f.with(l, "one", "two")
		f.accept(first)
		f.unused(f.accept(f.with(l, "one", "two")), "object-2-0", "object-2-1")
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed})
		third := f.with(l, "one", "two")
		r := f.accept(third)
		f.unused(r, "object-3-0", "object-3-1")
		if r.Revived != 1 || f.claimOne().QueueID != "Q1" {
			f.Errorf("the receipt is %+v", r)
		}
		shadowed := f.with(l, "one")
		shadowed.Shadow = &spool.Shadow{Reply: "250 Ok"}
		f.unused(f.accept(shadowed), "object-4-0")
		f.unknownLink(third, 0)
		f.fileStats(spool.FileStats{Objects: 2, Bytes: 6, Open: 2})
	}},
	{"Reused", func(f *fixture) { // a key or a link stands for one file: what names it again is refused whole
		first := f.with(letter{}, "one")
		f.accept(first)
		key, link := f.with(letter{}, "new", "two"), f.with(letter{}, "new", "three")
		key.Files[1].Key = first.Files[0].Key
		link.Files[1].ID = first.Files[0].ID
		for _, m := range []*spool.Message{key, link} {
			if _, err := f.Accept(f.Context(), m); err == nil {
				f.Errorf("%s was taken", m.QueueID)
			}
			f.gone(m.QueueID, true)
			f.unknownLink(m, 0)
		}
		f.fileStats(spool.FileStats{Objects: 1, Bytes: 3, Open: 1})
	}},
	{"Revoke", func(f *fixture) { // of one message: what another shares with it is served on
		first, second := f.with(letter{}, "same", "other"), f.with(letter{}, "same")
		f.accept(first)
		f.accept(second)
		f.now = f.now.Add(time.Hour)
		f.revoked("Q1", 2)
		f.revoked("Q1", 0)
		f.unknownLink(first, 0)
		f.unknownLink(first, 1)
		f.file(second, 0)
		list := f.attachments(spool.AttachmentFilter{QueueID: "Q1"})
		if len(list) != 2 || list[0].State(f.now) != spool.LinkRevoked || !list[0].Expires.Equal(f.now) {
			f.Errorf("listed: %+v", list)
		}
		f.pruneFiles(2)
		f.garbage("object-1-1")
		f.file(second, 0)
		f.revoked("Q2", 1)
		f.pruneFiles(1)
		f.garbage("object-1-0", "object-1-1")
		for _, id := range []string{"Q1", "Q9"} {
			if _, err := f.operator.Revoke(f.Context(), f.now, id); !errors.Is(err, spool.ErrNotFound) {
				f.Errorf("Revoke %s: %v, want ErrNotFound", id, err)
			}
		}
	}},
	{"RevokeBeforeTheClockWasSetBack", func(f *fixture) { // it stays revoked
		m := f.with(letter{}, "one")
		f.accept(m)
		f.revoked("Q1", 1)
		f.now = f.now.Add(-day)
		f.unknownLink(m, 0)
	}},
	{"Expire", func(f *fixture) { // an object goes after its last link
		first, second := f.with(letter{}, "same"), f.with(letter{}, "same")
		second.Files[0].Expires = second.Files[0].Expires.Add(day)
		f.accept(first)
		f.accept(second)
		f.now = f.now.Add(90*day - 1)
		f.pruneFiles(0)
		f.now = f.now.Add(1)
		if a := f.file(first, 0); a.State(f.now) != spool.LinkExpired {
			f.Errorf("its link is %s", a.State(f.now))
		}
		f.pruneFiles(1)
		f.garbage()
		f.unknownLink(first, 0)
		if a := f.file(second, 0); a.State(f.now) != spool.LinkOpen {
			f.Errorf("the link of the other is %s", a.State(f.now))
		}
		f.now = f.now.Add(day)
		f.pruneFiles(1)
		f.garbage("object-1-0")
		third := f.with(letter{}, "same")
		f.unused(f.accept(third))
		if a := f.file(third, 0); a.Key != "object-3-0" {
			f.Errorf("a new message links to %s, which is garbage", a.Key)
		}
		f.must(f.Deleted(f.Context(), "object-1-0", "object-9"))
		f.garbage()
		f.fileStats(spool.FileStats{Objects: 1, Bytes: 4, Open: 1})
	}},
	{"OutlivesItsMessage", func(f *fixture) { // and its message may outlive it
		m := f.with(letter{}, "one")
		f.accept(m)
		f.sent(f.claimOne(), 7)
		brief := f.with(letter{}, "two")
		brief.Files[0].Expires = epoch.Add(time.Hour)
		f.accept(brief)
		f.now = f.now.Add(31 * day)
		f.prune()
		f.pruneFiles(1)
		f.gone("Q1", true)
		f.gone("Q2", false)
		f.file(m, 0)
		f.unknownLink(brief, 0)
		f.revoked("Q1", 1)
	}},
	{"Steps", func(f *fixture) { // each deletes no more than its limit, and either side can
		for range 25 {
			f.accept(f.with(letter{}, fmt.Sprint(f.n)))
		}
		f.now = f.now.Add(91 * day)
		var steps []int
		for i, clean := range []spool.Cleaning{f.Spool, f.operator, f.Spool, f.operator} {
			n, err := clean.PruneFiles(f.Context(), f.now, 10)
			if err != nil {
				f.Fatalf("step %d: %v", i, err)
			}
			steps = append(steps, n)
		}
		if !slices.Equal(steps, []int{10, 10, 5, 0}) {
			f.Errorf("the steps deleted %v", steps)
		}
		first, err := f.operator.Garbage(f.Context(), "", 20)
		f.must(err)
		rest, err := f.Garbage(f.Context(), first[19], 20)
		f.must(err)
		if len(first) != 20 || len(rest) != 5 || !slices.IsSorted(slices.Concat(first, rest)) {
			f.Errorf("garbage: %v, then %v", first, rest)
		}
		f.must(f.operator.Deleted(f.Context(), first...))
		f.must(f.Deleted(f.Context(), rest...))
		f.garbage()
	}},
	{"Discard", func(f *fixture) { // of what the spool does not know, also beside a message that brings it
		m := f.with(letter{}, "one")
		f.accept(m)
		for _, clean := range []spool.Cleaning{f.Spool, f.operator} {
			n, err := clean.Discard(f.Context(), "object-1-0", "stray", "late")
			if want := map[bool]int{true: 2}[clean == f.Spool]; n != want || err != nil {
				f.Errorf("Discard made %d garbage (%v), want %d", n, err, want)
			}
		}
		f.garbage("late", "stray")
		late := f.with(letter{}, "two")
		late.Files[0].Key = "late"
		if _, err := f.Accept(f.Context(), late); err == nil || !strings.Contains(err.Error(), "garbage") {
			f.Errorf("a message was taken whose file is garbage: %v", err)
		}
		f.gone(late.QueueID, true)
		f.file(m, 0)
		if n, err := f.Discard(f.Context()); n != 0 || err != nil {
			f.Errorf("Discard of nothing: %d, %v", n, err)
		}
	}},
	{"List", func(f *fixture) { // newest first, page by page, of a message or a route
		for i, route := range []string{"a", "b", "a", "b", "a"} {
			f.accept(f.with(letter{route: route}, fmt.Sprint("x", i), fmt.Sprint("y", i)))
		}
		f.lists(spool.AttachmentFilter{}, "object-5-1 object-5-0 object-4-1 object-4-0 object-3-1 object-3-0 "+
			"object-2-1 object-2-0 object-1-1 object-1-0")
		f.lists(spool.AttachmentFilter{Route: "b"}, "object-4-1 object-4-0 object-2-1 object-2-0")
		f.lists(spool.AttachmentFilter{QueueID: "Q3"}, "object-3-1 object-3-0")
		f.lists(spool.AttachmentFilter{QueueID: "Q3", Route: "b"}, "")
		f.lists(spool.AttachmentFilter{QueueID: "Q9"}, "")
	}},
	{"Forget", func(f *fixture) { // ends the links of what was forgotten, and their names
		sent, shared := f.with(letter{blind: []string{"bob"}}, "same"), f.with(letter{to: []string{"bob"}}, "same")
		f.accept(sent)
		f.accept(shared)
		f.moved(spool.Moved{Requests: 1})(f.operator.Forget(f.Context(), f.now, "alice@example.com"))
		f.file(sent, 0) // bob's copy is pending
		for _, task := range f.claim() {
			f.sent(task, 0)
		}
		f.moved(spool.Moved{Requests: 2})(f.operator.Forget(f.Context(), f.now, "bob@example.com"))
		f.unknownLink(sent, 0)
		f.unknownLink(shared, 0)
		for _, a := range f.attachments(spool.AttachmentFilter{}) {
			if strings.Contains(a.Name, "same") {
				f.Errorf("the name is kept: %+v", a)
			}
		}
		f.pruneFiles(2)
		f.garbage("object-1-0")
	}},
	{"Owner", func(f *fixture) { // is the same on either side, and of this spool alone
		owner, err := f.operator.Owner(f.Context())
		f.must(err)
		f.reopen()
		if again, err := f.Owner(f.Context()); again != owner || err != nil {
			f.Errorf("after a restart %x is the owner (%v), want %x", again, err, owner)
		}
		other := newFixture(f.T, f.open, f.operate)
		if foreign, err := other.Owner(f.Context()); foreign == owner || err != nil {
			f.Errorf("two spools are one owner (%v)", err)
		}
	}},
	{"SigningKey", func(f *fixture) { // is made once, for this spool alone
		first, err := f.SigningKey(f.Context())
		if len(first) != 32 || err != nil {
			f.Fatalf("the key has %d octets (%v), want 32", len(first), err)
		}
		f.reopen()
		again, err := f.SigningKey(f.Context())
		if !slices.Equal(first, again) || err != nil {
			f.Errorf("after a restart the key is another one (%v)", err)
		}
		other := newFixture(f.T, f.open, f.operate)
		if key, err := other.SigningKey(f.Context()); slices.Equal(first, key) || err != nil {
			f.Errorf("two spools share a key (%v)", err)
		}
	}},
}

// with writes a letter with files of these contents.
func (f *fixture) with(l letter, contents ...string) *spool.Message {
	m := f.write(l)
	for i, content := range contents {
		m.Files = append(m.Files, spool.File{
			ID:            sha256.Sum256(fmt.Appendf(nil, "link %s %d", m.QueueID, i)),
			Key:           fmt.Sprintf("object-%s-%d", m.QueueID[1:], i),
			ContentDigest: sha256.Sum256([]byte(content)),
			Size:          int64(len(content)),
			Name:          content + ".txt",
			ContentType:   "text/plain",
			Expires:       m.Accepted.Add(90 * day),
		})
	}
	return m
}

// withAt is with, of a message whose files are in the store at a location.
func (f *fixture) withAt(location string, contents ...string) *spool.Message {
	m := f.with(letter{}, contents...)
	m.FilesAt = location
	return m
}

// file is the attachment behind the link of a message's file.
func (f *fixture) file(m *spool.Message, i int) spool.Attachment {
	f.Helper()
	a, err := f.File(f.Context(), m.Files[i].ID)
	if err != nil {
		f.Errorf("the link of file %d of %s: %v", i, m.QueueID, err)
	}
	return a
}

// unknownLink fails the test if the link of a message's file is known.
func (f *fixture) unknownLink(m *spool.Message, i int) {
	f.Helper()
	if a, err := f.File(f.Context(), m.Files[i].ID); !errors.Is(err, spool.ErrNotFound) {
		f.Errorf("the link of file %d of %s leads to %+v (%v), want ErrNotFound", i, m.QueueID, a, err)
	}
}

// unused fails the test unless a receipt names these keys.
func (f *fixture) unused(r spool.Receipt, want ...string) {
	f.Helper()
	if !slices.Equal(r.Unused, want) {
		f.Errorf("%s does not use %v, want %v", r.QueueID, r.Unused, want)
	}
}

func (f *fixture) revoked(queueID string, want int) {
	f.Helper()
	if n, err := f.operator.Revoke(f.Context(), f.now, queueID); n != want || err != nil {
		f.Errorf("Revoke %s ended %d links (%v), want %d", queueID, n, err, want)
	}
}

// pruneFiles fails the test unless so many attachments go.
func (f *fixture) pruneFiles(want int) {
	f.Helper()
	if n, err := f.PruneFiles(f.Context(), f.now, 100); n != want || err != nil {
		f.Errorf("PruneFiles deleted %d (%v), want %d", n, err, want)
	}
}

// garbage fails the test unless these objects are to be deleted.
func (f *fixture) garbage(want ...string) {
	f.Helper()
	if got, err := f.Garbage(f.Context(), "", 1000); !slices.Equal(got, want) || err != nil {
		f.Errorf("garbage: %v (%v), want %v", got, err, want)
	}
}

func (f *fixture) fileStats(want spool.FileStats) {
	f.Helper()
	if got, err := f.FileStats(f.Context(), f.now); got != want || err != nil {
		f.Errorf("FileStats: %+v (%v), want %+v", got, err, want)
	}
}

// attachments are all that match, by pages of three.
func (f *fixture) attachments(filter spool.AttachmentFilter) (all []spool.Attachment) {
	f.Helper()
	filter.Limit = 3
	for {
		page, err := f.Attachments(f.Context(), filter)
		if err != nil {
			f.Fatalf("Attachments: %v", err)
		}
		all = append(all, page.Attachments...)
		if page.Older == 0 {
			break
		}
		filter.Older = page.Older
	}
	filter.Limit, filter.Older = 0, 0
	whole, err := f.operator.Attachments(f.Context(), filter)
	if !reflect.DeepEqual(whole.Attachments, all) || err != nil {
		f.Errorf("in one page: %+v (%v), want %+v", whole, err, all)
	}
	return all
}

// lists fails the test unless these objects are listed, in this order.
func (f *fixture) lists(filter spool.AttachmentFilter, want string) {
	f.Helper()
	var keys []string
	for _, a := range f.attachments(filter) {
		keys = append(keys, a.Key)
	}
	if got := strings.Join(keys, " "); got != want {
		f.Errorf("%+v lists %s, want %s", filter, got, want)
	}
}
