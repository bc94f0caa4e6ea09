package spooltest

import (
	"fmt"
	"testing"

	"heyrelay/internal/spool"
)

// threadCases say which conversation a message joins. The keys come from package
// threading; here is what a store makes of them.
var threadCases = []testCase{
	{"T1", func(f *fixture) {
		p := f.send(letter{id: "p"})
		r := f.send(letter{id: "r", cites: []string{"p"}})
		f.together(p.QueueID, r.QueueID)
		wantJoined(f, p, -1)
		wantJoined(f, r, 0)
	}},
	{"T2", func(f *fixture) {
		p := f.send(letter{id: "p", to: []string{"alice", "bob"}})
		fewer := f.send(letter{id: "q", cites: []string{"p"}, to: []string{"alice"}})
		more := f.send(letter{id: "r", cites: []string{"p"}, to: []string{"alice", "bob", "carol"}})
		f.apart(p.QueueID, fewer.QueueID)
		f.apart(p.QueueID, more.QueueID)
		f.apart(fewer.QueueID, more.QueueID)
	}},
	{"T2_WrongKey", func(f *fixture) { // a key that should not stand for these people
		p := f.write(letter{id: "p", to: []string{"alice", "bob"}})
		r := f.write(letter{id: "r"})
		r.Requests[0].Lookup = p.Requests[0].Own
		f.accept(p)
		wantJoined(f, f.accept(r), -1)
		f.apart(p.QueueID, r.QueueID)
	}},
	{"T4", func(f *fixture) { // a root that was never sent
		a := f.send(letter{id: "a", cites: []string{"root"}})
		b := f.send(letter{id: "b", cites: []string{"root"}})
		f.together(a.QueueID, b.QueueID)
	}},
	{"T5", func(f *fixture) {
		a := f.send(letter{id: "a", cites: []string{"root"}, to: []string{"alice"}})
		b := f.send(letter{id: "b", cites: []string{"root"}, to: []string{"bob"}})
		f.apart(a.QueueID, b.QueueID)
	}},
	{"T6", func(f *fixture) {
		a := f.send(letter{id: "m", to: []string{"alice"}})
		b := f.send(letter{id: "m", to: []string{"bob"}})
		ra := f.send(letter{id: "ra", cites: []string{"m"}, to: []string{"alice"}})
		rb := f.send(letter{id: "rb", cites: []string{"m"}, to: []string{"bob"}})
		f.together(a.QueueID, ra.QueueID)
		f.together(b.QueueID, rb.QueueID)
		f.apart(a.QueueID, b.QueueID)
	}},
	{"T7", func(f *fixture) {
		child := f.send(letter{id: "child", cites: []string{"parent"}})
		parent := f.send(letter{id: "parent"})
		f.together(child.QueueID, parent.QueueID)
	}},
	{"T9", func(f *fixture) {
		a := f.send(letter{id: "Case@x"})
		b := f.send(letter{id: "b", cites: []string{"case@x"}})
		f.apart(a.QueueID, b.QueueID)
	}},
	{"T14", func(f *fixture) {
		a := f.send(letter{id: "m", inbox: 1})
		b := f.send(letter{id: "b", cites: []string{"m"}, inbox: 2})
		c := f.send(letter{id: "c", cites: []string{"m"}, inbox: 1, team: "bank"})
		f.apart(a.QueueID, b.QueueID)
		f.apart(a.QueueID, c.QueueID)
		wantJoined(f, b, -1)
	}},
	{"T14_WrongKey", func(f *fixture) {
		a := f.write(letter{id: "m", inbox: 1})
		b := f.write(letter{id: "b", inbox: 2})
		c := f.write(letter{id: "c", inbox: 1, team: "bank"})
		b.Requests[0].Lookup, c.Requests[0].Lookup = a.Requests[0].Own, a.Requests[0].Own
		f.accept(a)
		wantJoined(f, f.accept(b), -1)
		wantJoined(f, f.accept(c), -1)
	}},
	{"T15", func(f *fixture) {
		a := f.send(letter{id: "a"})
		b := f.send(letter{id: "b"})
		r := f.send(letter{id: "r", cites: []string{"a", "b"}})
		f.together(a.QueueID, r.QueueID)
		f.apart(b.QueueID, r.QueueID)
	}},
	{"T15_SecondKnown", func(f *fixture) { // the first that exists, not the first
		b := f.send(letter{id: "b"})
		r := f.send(letter{id: "r", cites: []string{"a", "b"}})
		wantJoined(f, r, 1)
		f.together(b.QueueID, r.QueueID)
	}},
	{"T21", digest},
	{"NewestOwner", func(f *fixture) { // a constant Message-ID, on a route that never joins
		a := f.send(letter{id: "m"})
		again := f.write(letter{id: "m", body: "other"})
		again.Requests[0].Lookup = nil
		b := f.accept(again)
		if a.SameID || !b.SameID {
			f.Errorf("SameID is %v and then %v, want false and true", a.SameID, b.SameID)
		}
		r := f.send(letter{id: "r", cites: []string{"m"}})
		f.apart(a.QueueID, b.QueueID)
		f.together(b.QueueID, r.QueueID)
	}},
	{"OwnerBeatsCitation", func(f *fixture) {
		cites := f.send(letter{id: "a", cites: []string{"m"}})
		own := f.write(letter{id: "m"})
		own.Requests[0].Lookup = nil
		if r := f.accept(own); r.SameID {
			f.Error("SameID, but the id was only cited before")
		}
		r := f.send(letter{id: "r", cites: []string{"m"}})
		f.together(own.QueueID, r.QueueID)
		f.apart(cites.QueueID, r.QueueID)
	}},
	{"OwnerWithinOneMessage", func(f *fixture) { // its own requests are no earlier message
		m := f.write(letter{id: "m", blind: []string{"bob"}})
		m.Requests[1].Own = m.Requests[0].Own
		if r := f.accept(m); r.SameID {
			f.Error("SameID, but no earlier message has the id")
		}
	}},
	{"WithinOneMessage", func(f *fixture) { // the second request joins what the first opened
		m := f.write(letter{id: "m", to: []string{"alice"}, blind: []string{"alice"}})
		r := f.accept(m)
		if fmt.Sprint(r.Joined) != "[-1 0]" {
			f.Errorf("Joined is %v, want [-1 0]", r.Joined)
		}
		if got := queueIDs(f.claim()); got != "Q1" {
			f.Errorf("claimed %q, want the first request alone", got)
		}
	}},
	{"SubjectLine", subjectLines},
}

func wantJoined(f *fixture, r spool.Receipt, want int) {
	f.Helper()
	if len(r.Joined) != 1 || r.Joined[0] != want {
		f.Errorf("%s: Joined is %v, want [%d]", r.QueueID, r.Joined, want)
	}
}

// digest is a message that cites 20 known roots: it joins the first, and takes no
// root from its own thread.
func digest(f *fixture) {
	var roots, threads []string
	for i := range 20 {
		id := fmt.Sprintf("root-%d", i)
		roots = append(roots, id)
		threads = append(threads, f.send(letter{id: id, to: []string{"ops"}}).QueueID)
	}
	d := f.send(letter{id: "digest", to: []string{"ops"}, cites: roots})
	f.together(threads[0], d.QueueID)
	for i, id := range roots {
		r := f.send(letter{id: "later-" + id, to: []string{"ops"}, cites: []string{id}})
		f.together(threads[i], r.QueueID)
	}
}

// subjectLines says when the bodies begin with the subject.
func subjectLines(f *fixture) {
	for i, c := range []struct {
		line    spool.SubjectLine
		subject string // of the second message; the first is "Hello"
		joins   bool
		want    string
	}{
		{spool.SubjectChanged, "Hello", true, ""},
		{spool.SubjectChanged, "Bye", true, "Bye"},
		{spool.SubjectChanged, "Bye", false, ""},
		{spool.SubjectAlways, "Hello", true, "Hello"},
		{spool.SubjectAlways, "Hello", false, ""},
		{spool.SubjectNever, "Bye", true, ""},
	} {
		f.Run(fmt.Sprintf("%d", i), func(t *testing.T) {
			f := newFixture(t, f.open, f.operate)
			f.send(letter{id: "p", subject: "Hello"})
			f.sent(f.claimOne(), 7)
			l := letter{id: "r", subject: c.subject, line: c.line}
			if c.joins {
				l.cites = []string{"p"}
			}
			f.send(l)
			if got := f.claimOne().Subject; got != c.want {
				f.Errorf("the bodies begin with the subject %q, want %q", got, c.want)
			}
		})
	}
}
