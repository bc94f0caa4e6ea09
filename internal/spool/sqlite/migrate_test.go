package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/spool"
)

// TestMigrationKeepsMail does what the next version will: it migrates a spool that has mail.
// This version then refuses the spool, and leaves it as it is.
func TestMigrationKeepsMail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accept(t.Context(), mail(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	steps := append(migrations(), "ALTER TABLE message ADD COLUMN note TEXT NOT NULL DEFAULT 'none'")
	err = change(t.Context(), path, func(conn *sql.Conn) error {
		if err := migrateSteps(t.Context(), conn, steps); err != nil {
			return err
		}
		var id, note string
		var x body
		const all = "SELECT queue_id, note, subject_offset, raw FROM message JOIN content ON content.message = message.id"
		err := conn.QueryRowContext(t.Context(), all).Scan(&id, &note, &x.subjectOffset, &x.raw)
		err = errors.Join(err, x.unpack(id, withRaw))
		if id != "Q1" || note != "none" || x.text != mail(1).Text {
			t.Errorf("after the migration: %q, note %q", id, note)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	before := content(t, path)
	if err := failOpen(t, path); !strings.Contains(err.Error(), "newer heyrelay") {
		t.Errorf("error %v", err)
	}
	if !bytes.Equal(before, content(t, path)) {
		t.Error("the refused spool was changed")
	}
}

// openFirst opens firstSpool.
func openFirst(t *testing.T) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spool.db")
	if err := createFile(path); err != nil {
		t.Fatal(err)
	}
	err := change(t.Context(), path, func(conn *sql.Conn) error {
		if err := migrateSteps(t.Context(), conn, migrations()[:1]); err != nil {
			return err
		}
		_, err := conn.ExecContext(t.Context(), firstSpool)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return openFile(t, path, Options{})
}

// TestMigrationFromTheFirstVersion serves a spool that was written before attachments: its mail is
// kept, and new mail has files.
func TestMigrationFromTheFirstVersion(t *testing.T) {
	s := openFirst(t)
	m := mail(2)
	m.Files = []spool.File{{Key: "object", Name: "a.pdf", Expires: epoch}}
	if _, err := s.Accept(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	list, err := s.List(t.Context(), spool.Filter{Team: "shop"})
	if err != nil || len(list) != 3 {
		t.Errorf("it lists %v (%v), want all three", list, err)
	}
	want := spool.Content{HTML: "<p>Hello</p>", Text: "Hello"}
	if c, err := s.Content(t.Context(), "Q1"); err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("the old content is %+v (%v)", c, err)
	}
	if c, err := s.Content(t.Context(), m.QueueID); err != nil || c.HTML != m.HTML || !bytes.Equal(c.Raw, m.Raw) {
		t.Errorf("the new content is %+v (%v)", c, err)
	}
	if a, err := s.File(t.Context(), m.Files[0].ID); err != nil || a.Name != "a.pdf" {
		t.Errorf("the file is %+v (%v)", a, err)
	}
	wantSound(t, s)
}

// firstSpool has, in the first version of the schema, a request that was tried once and is under way,
// and one that is ready.
const firstSpool = `
INSERT INTO message (id, queue_id, accepted, client, sender, route, team, inbox, title, fingerprint,
                     weak_fingerprint, envelope_id, return, reports_after, shadow, refusal)
VALUES (1, 'Q1', 1793534400000000000, 'app', 'a@example.com', 'support', 'shop', 202, 'Hello', zeroblob(32),
        0, '', '', 0, '', '');
INSERT INTO content VALUES (1, '<p>Hello</p>', 0, 'Hello', NULL);
INSERT INTO conversation VALUES (1, 'shop', 202, 'b@example.com', 0, 'Hello', 'hello', 0);
INSERT INTO conversation VALUES (2, 'shop', 202, 'c@example.com', 0, 'Hello', 'hello', 0);
INSERT INTO request (id, message, conversation, joined, lookup_name, lane, local_id, recipients, participants, team,
                     inbox, route, priority, effective_priority, auto_replied, subject_line, state, seq, due,
                     attempts, reply_to, dsn)
VALUES (1, 1, 1, 0, '', 1, 'l1', '{"to": ["b@example.com"]}', 'b@example.com', 'shop', 202, 'support', 1, 1, 0, 0,
        3, 7, 5, 2, 0, ''),
       (2, 1, 2, 0, '', 2, 'l2', '{"to": ["c@example.com"]}', 'c@example.com', 'shop', 202, 'support', 1, 1, 0, 0,
        1, 9, 0, 0, NULL, '');
INSERT INTO attempt (request, n, call, began, ended, unknown, status)
VALUES (1, 1, 0, 3, 4, 1, 502), (1, 2, 0, 5, 0, 0, 0);
INSERT INTO counter (route, state, n) VALUES ('support', 1, 1), ('support', 3, 1);
UPDATE sequence SET seq = 9`

// TestMigrationKeepsAttempts migrates a spool in which an attempt is under way.
func TestMigrationKeepsAttempts(t *testing.T) {
	s := openFirst(t)
	wantSound(t, s)
	tasks, _, err := s.Claim(t.Context(), epoch, time.Minute, spool.Capacity{Team: "shop", Rate: plenty, Free: 9})
	if err != nil || len(tasks) != 2 {
		t.Fatalf("claimed %+v (%v), want both", tasks, err)
	}
	began := []time.Time{moment(3), moment(5)}
	if tasks[0].HTML != "<p>Hello</p>" || tasks[0].Text != "Hello" {
		t.Errorf("the first is sent as %+v", tasks[0])
	}
	if r := tasks[1]; r.Attempt != 3 || !r.Unknown || !slices.Equal(r.Sends, began) {
		t.Errorf("the one under way is %+v, want its third attempt after sends at %v", r, began)
	}
	detail, err := s.Show(t.Context(), "Q1")
	if err != nil || len(detail.Requests[0].Tries) != 3 {
		t.Errorf("its attempts are %+v (%v), want 3", detail.Requests, err)
	}
	wantSound(t, s)
}

// TestMigrateAllOrNothing stops between the first table and the last.
func TestMigrateAllOrNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	if err := createFile(path); err != nil {
		t.Fatal(err)
	}
	err := change(t.Context(), path, func(conn *sql.Conn) error {
		if err := migrateSteps(t.Context(), conn, []string{schema, "CREATE TABLE more (a) STRICT; oops"}); err == nil {
			t.Error("a step that is no SQL was taken")
		}
		if v, err := schemaVersion(t.Context(), conn); v != 0 || err != nil {
			t.Errorf("the version is %d (%v), want 0", v, err)
		}
		return migrate(t.Context(), conn)
	})
	if err != nil {
		t.Errorf("the next try: %v", err)
	}
}

// content is a database file without SQLite's counters of changes in its header.
func content(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(text[24:28])
	clear(text[92:96])
	return text
}
