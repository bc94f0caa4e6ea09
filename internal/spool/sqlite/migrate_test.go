package sqlite

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		var id, note, body string
		const all = "SELECT queue_id, note, text FROM message JOIN content ON content.message = message.id"
		err := conn.QueryRowContext(t.Context(), all).Scan(&id, &note, &body)
		if id != "Q1" || note != "none" || body != mail(1).Text {
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

// TestMigrationFromTheFirstVersion serves a spool that was written before attachments: its mail is
// kept, and new mail has files.
func TestMigrationFromTheFirstVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	if err := createFile(path); err != nil {
		t.Fatal(err)
	}
	err := change(t.Context(), path, func(conn *sql.Conn) error {
		if err := migrateSteps(t.Context(), conn, migrations()[:1]); err != nil {
			return err
		}
		return alone(t.Context(), conn, func(w *writer) error {
			_, err := w.accept(prepare(mail(1)))
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := mail(2)
	m.Files = []spool.File{{Key: "object", Name: "a.pdf", Expires: epoch}}
	if _, err := s.Accept(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	list, err := s.List(t.Context(), spool.Filter{})
	if err != nil || len(list) != 2 {
		t.Errorf("it lists %v (%v), want both messages", list, err)
	}
	if a, err := s.File(t.Context(), m.Files[0].ID); err != nil || a.Name != "a.pdf" {
		t.Errorf("the file is %+v (%v)", a, err)
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
