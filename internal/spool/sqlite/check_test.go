package sqlite

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/spool"
)

// defects are statements that damage a spool, with what Check reports then.
var defects = []struct{ wrong, spoil string }{
	{
		"a row refers to one that does not exist",
		"PRAGMA foreign_keys = OFF; DELETE FROM conversation WHERE id = 2",
	},
	{
		"a lane has more than one head",
		"DROP INDEX request_head; UPDATE request SET lane = 1, conversation = 1",
	},
	{
		"a lane has queued requests and no head",
		"UPDATE request SET state = 0, due = 0 WHERE id = 1",
	},
	{
		"a head is less urgent than what is queued behind it",
		"UPDATE request SET state = 0, due = 0, effective_priority = 0, lane = 2, conversation = 2 WHERE " +
			"id = 1",
	},
	{
		"differ in team, inbox or participants",
		"UPDATE request SET participants = 'eve@example.com' WHERE id = 1",
	},
	{
		"differ in team",
		"UPDATE conversation SET inbox = 9 WHERE id = 1",
	},
	{
		"a convo_id stands for different participants",
		"UPDATE conversation SET convo_id = 7, participants = 'm' || id",
	},
	{
		"a key stands for no conversation",
		"UPDATE link SET conversation = 99",
	},
	{
		"an open request has no content",
		"DELETE FROM content WHERE message = 2",
	},
	{
		"a packed message is damaged (Q1)",
		"UPDATE content SET raw = substr(raw, 2) WHERE message = (SELECT id FROM message WHERE queue_id = 'Q1')",
	},
	{
		"a message has no request",
		"INSERT INTO message SELECT 9, 'Q9', accepted, client, sender, route, team, inbox, title, " +
			"message_id, warnings, fingerprint, weak_fingerprint, content_digest, envelope_id, return, reports_after, " +
			"shadow, refusal " +
			"FROM message WHERE id = 1",
	},
	{
		"two requests share a local_id",
		"UPDATE request SET local_id = 'same'",
	},
	{
		"attempts are not numbered from 1 to the last",
		"UPDATE request SET attempts = 3",
	},
	{
		"an attempt under way has not begun",
		"UPDATE request SET began = 0",
	},
	{
		"named and that was not checked",
		"UPDATE request SET requested_convo_id = 9",
	},
	{
		"refused or named by an attempt",
		"UPDATE request SET refused_attempt = 9",
	},
	{
		"decided nothing",
		"UPDATE request SET reply_to = NULL",
	},
	{
		"the ledger does not count what is there",
		"UPDATE counter SET n = n + 1",
	},
	{
		"a seq was given that its team has not reached",
		"UPDATE gate SET seq = 0",
	},
	{
		"a blob has no attachment",
		"INSERT INTO blob (key, route, digest, size) VALUES ('x', 'support', zeroblob(32), 1)",
	},
	{
		"an attachment and its blob differ in route",
		"INSERT INTO blob (id, key, route, digest, size) VALUES (1, 'x', 'support', zeroblob(32), 1); " +
			"INSERT INTO attachment VALUES (1, zeroblob(32), 1, 'Q1', 'news', 1, 'a.pdf', 'application/pdf', 0, 9, 0)",
	},
	{
		"an object that an attachment needs is garbage",
		"INSERT INTO blob (id, key, route, digest, size) VALUES (1, 'x', 'support', zeroblob(32), 1); " +
			"INSERT INTO attachment VALUES (1, zeroblob(32), 1, 'Q1', 'support', 1, 'a.pdf', 'application/pdf', 0, 9, 0); " +
			"INSERT INTO garbage VALUES ('x')",
	},
	{
		"state 1: 0 counted",
		"DELETE FROM counter WHERE state = 1",
	},
}

// TestCheckFinds spoils a spool in each way that Check looks for.
func TestCheckFinds(t *testing.T) {
	for _, c := range defects {
		t.Run(c.wrong, func(t *testing.T) {
			s := openSpool(t, Options{})
			fill(t, s, 2)
			one := spool.Capacity{Team: "shop", Rate: plenty, Free: 1}
			if _, _, err := s.Claim(t.Context(), epoch, time.Minute, one); err != nil {
				t.Fatal(err)
			}
			wantSound(t, s)
			alter(t, s.path, c.spoil)
			err := s.Check(t.Context())
			if !errors.Is(err, spool.ErrCorrupt) || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("Check: %v, want %s", err, c.wrong)
			}
		})
	}
}

// TestDamagedPage has the disk give back something else than was written.
func TestDamagedPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 20)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for page := int64(8); page < 12; page++ {
		spoilPage(t, path, page)
	}
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Check(t.Context()); !errors.Is(err, spool.ErrCorrupt) {
		t.Errorf("Check: %v, want ErrCorrupt", err)
	}
}

// spoilPage has a page, counted from 0, hold something else than was written.
func spoilPage(t *testing.T, path string, page int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{0x55}, 4096), page*4096); err != nil {
		t.Fatal(err)
	}
}

// TestDamageFound has a message meet damage: neither it nor any later one is
// taken, and pending requests go on.
func TestDamageFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 1)
	var links int64
	const rootPage = "SELECT rootpage FROM sqlite_schema WHERE name = 'link'"
	err = s.Reader.db.QueryRowContext(t.Context(), rootPage).Scan(&links)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	spoilPage(t, path, links-1)
	s, err = Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, first := s.Accept(t.Context(), mail(2))
	keyless := mail(3)
	keyless.Requests[0].Lookup, keyless.Requests[0].Own = nil, nil
	_, second := s.Accept(t.Context(), keyless)
	for _, err := range []error{first, second} {
		if !errors.Is(err, spool.ErrCorrupt) {
			t.Fatalf("error %v, want ErrCorrupt", err)
		}
		wantText(t, err,
			"the spool is damaged: database disk image is malformed", "what to do: stop heyrelay", "docs/durability.md")
	}
	tasks, _, err := s.Claim(t.Context(), epoch, time.Minute, spool.Capacity{Team: "shop", Rate: plenty, Free: 2})
	if err != nil || len(tasks) != 1 {
		t.Fatalf("claimed %d (%v), want the one that waited", len(tasks), err)
	}
	if _, err := s.Finish(t.Context(), epoch, spool.Outcome{Task: tasks[0], State: spool.Sent}); err != nil {
		t.Error(err)
	}
}
