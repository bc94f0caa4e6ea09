package spooltest

import (
	"errors"
	"reflect"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// threadPageCases are about what people see of a conversation, and of the request that has been
// pending longest.
var threadPageCases = []testCase{
	{"Oldest", func(f *fixture) {
		if _, found, err := f.Oldest(f.Context()); found || err != nil {
			f.Errorf("of nothing: found is %t, %v", found, err)
		}
		f.send(letter{to: []string{"alice"}})
		f.now = f.now.Add(time.Minute)
		f.send(letter{to: []string{"bob"}, route: "zoo"})
		f.now = f.now.Add(time.Minute)
		f.send(letter{to: []string{"carol"}, team: "bank"})
		f.oldest("Q1")
		f.sent(f.claim(one("shop"))[0], 7)
		f.oldest("Q2")
	}},
	{"Conversation", func(f *fixture) {
		m := f.write(letter{id: "m", to: []string{"alice", "bob"}, subject: "Printer"})
		m.Text = strings.Repeat("ä", spool.LetterExcerpt+1)
		m.Raw = []byte(strings.Repeat("x", spool.LetterHead+1))
		f.accept(m)
		f.sent(f.claimOne(), 7)
		f.now = f.now.Add(time.Minute)
		f.send(letter{id: "r", cites: []string{"m"}, to: []string{"alice", "bob"}})
		f.send(letter{to: []string{"alice", "bob"}}) // another conversation of the same people
		id := f.conversation("Q1")
		c, letters, err := f.Conversation(f.Context(), id, 0, 10)
		want := spool.Conversation{
			ID:           id,
			Team:         "shop",
			Inbox:        202,
			Participants: []string{"alice@example.com", "bob@example.com"},
			ConvoID:      7,
			Title:        "Printer",
			LastUsed:     f.now,
		}
		if err != nil || !reflect.DeepEqual(c, want) {
			f.Errorf("the conversation is\n%+v, %v, want\n%+v", c, err, want)
		}
		if len(letters) != 2 || letters[0].QueueID != "Q2" || letters[1].QueueID != "Q1" {
			f.Fatalf("the letters are %+v", letters)
		}
		if !letters[0].Joined || letters[0].By != "cites m" || letters[1].Joined {
			f.Errorf("how they joined: %+v", letters)
		}
		if len(letters[1].Head) != spool.LetterHead || letters[1].Excerpt != strings.Repeat("ä", spool.LetterExcerpt) {
			f.Errorf("of the first, %d bytes and %q", len(letters[1].Head), letters[1].Excerpt)
		}
		_, rest, err := f.Conversation(f.Context(), id, letters[0].Number, 10)
		if err != nil || len(rest) != 1 || rest[0].QueueID != "Q1" {
			f.Errorf("before the last: %+v, %v", rest, err)
		}
		if _, _, err := f.Conversation(f.Context(), 1000, 0, 10); !errors.Is(err, spool.ErrNotFound) {
			f.Errorf("no conversation: %v", err)
		}
	}},
	{"Sends", func(f *fixture) {
		m := f.write(letter{id: "m", blind: []string{"bob"}})
		m.HTML = "<p>Hi</p>"
		m.Text = "Hi"
		f.accept(m)
		tasks := f.claim()
		f.sends("Q1", 0, tasks...)
		f.sent(tasks[0], 7)
		f.sends("Q1", 0, tasks...) // what opened a conversation still shows how
		f.send(letter{id: "r", cites: []string{"m"}, subject: "Other", line: spool.SubjectAlways})
		f.sends("Q2", 7, f.claimOne())
		if _, err := f.Sends(f.Context(), "Q3"); !errors.Is(err, spool.ErrNotFound) {
			f.Errorf("of no message: %v", err)
		}
	}},
}

// oldest wants a message to be the one that has been pending longest.
func (f *fixture) oldest(queueID string) {
	f.Helper()
	if e, found, err := f.Oldest(f.Context()); !found || e.QueueID != queueID || err != nil {
		f.Errorf("the oldest is %s (%t, %v), want %s", e.QueueID, found, err, queueID)
	}
}

// sends wants to see of a message what was claimed.
func (f *fixture) sends(queueID string, convo int64, claimed ...*spool.Task) {
	f.Helper()
	got, err := f.Sends(f.Context(), queueID)
	if err != nil || len(got) != len(claimed) {
		f.Fatalf("%s sends %+v, %v", queueID, got, err)
	}
	for i, t := range claimed {
		want := &spool.Task{
			Request:       t.Request,
			QueueID:       t.QueueID,
			LocalID:       t.LocalID,
			Route:         t.Route,
			Team:          t.Team,
			Inbox:         t.Inbox,
			To:            t.To,
			Cc:            t.Cc,
			Title:         t.Title,
			ConvoID:       convo,
			Subject:       t.Subject,
			HTML:          t.HTML,
			Text:          t.Text,
			SubjectOffset: t.SubjectOffset,
		}
		if t.ConvoID != convo || !reflect.DeepEqual(got[i], want) {
			f.Errorf("%s sends\n%+v, want\n%+v", queueID, got[i], want)
		}
	}
}
