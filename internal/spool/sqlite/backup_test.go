package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/spool"
)

// backedUp is the backup of a spool with one request that is ready, one that is active and one
// that was sent; the spool then sends the one that is ready.
func backedUp(t *testing.T, at time.Time) (path string) {
	t.Helper()
	s := openSpool(t, Options{})
	room := spool.Capacity{Team: "shop", Rate: plenty, Free: 1}
	claim := func() *spool.Task {
		t.Helper()
		tasks, _, err := s.Claim(t.Context(), epoch, time.Hour, room)
		if err != nil || len(tasks) != 1 {
			t.Fatalf("claimed %v (%v)", tasks, err)
		}
		return tasks[0]
	}
	sent := func(task *spool.Task) {
		t.Helper()
		o := spool.Outcome{Task: task, State: spool.Sent, ConvoID: 9001, MessageID: 1}
		if _, err := s.Finish(t.Context(), epoch, o); err != nil {
			t.Fatal(err)
		}
	}
	accept := func(n int64) {
		t.Helper()
		if _, err := s.Accept(t.Context(), mail(n)); err != nil {
			t.Fatal(err)
		}
	}
	accept(1)
	sent(claim())
	accept(2)
	claim()
	accept(3)
	path = filepath.Join(t.TempDir(), "backup.db")
	if err := Backup(t.Context(), s.path, path, at); err != nil {
		t.Fatal(err)
	}
	sent(claim())
	return path
}

// TestBackupIsRestored serves a backup. What was pending is not simply sent: it is sent under
// its local_id while the API remembers that, and searched for otherwise, in all the time since.
func TestBackupIsRestored(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		call  spool.Call
	}{
		{30 * time.Minute, spool.Send},
		{2 * time.Hour, spool.FindMessage},
	} {
		path := backedUp(t, epoch)
		now := epoch.Add(c.after)
		var warnings []string
		o := Options{Now: func() time.Time { return now }, Warn: func(w string) { warnings = append(warnings, w) }}
		s, err := Open(t.Context(), path, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0], "restored from a backup") {
			t.Errorf("warnings: %q", warnings)
		}
		room := spool.Capacity{Team: "shop", Rate: plenty, Free: 9, Searches: 9, Memory: time.Hour}
		tasks, _, err := s.Claim(t.Context(), now, time.Hour, room)
		if err != nil || len(tasks) != 2 {
			t.Fatalf("claimed %+v (%v), want Q2 and Q3", tasks, err)
		}
		for _, task := range tasks {
			wanted := []time.Time{epoch, now}
			if task.QueueID == "Q2" { // it was active
				wanted = []time.Time{epoch, epoch, now}
			}
			if task.Call != c.call || !task.Unknown || !task.Restored || !slices.Equal(task.Sends, wanted) {
				t.Errorf("after %v: %+v, want call %v with sends %v", c.after, task, c.call, wanted)
			}
			if original := mail(int64(task.QueueID[1] - '0')); task.LocalID != original.Requests[0].LocalID {
				t.Errorf("%s has a new local_id", task.QueueID)
			}
		}
		if err := errors.Join(s.Check(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
		s, err = Open(t.Context(), path, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(warnings) != 1 {
			t.Errorf("it is taken over again: %q", warnings)
		}
		s.Close()
	}
}

// restored is a spool that goes on with a backup of s.
func restored(t *testing.T, s *Store) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup.db")
	if err := Backup(t.Context(), s.path, path, epoch); err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// TestBackupOfNamed restores a request that has not looked at the conversation that its application named: it
// does so before it is sent, also when an operator held it, or dropped it and had it tried again.
func TestBackupOfNamed(t *testing.T) {
	s := openSpool(t, Options{})
	m := mail(1)
	m.Requests[0].ConvoID = 7
	if _, err := s.Accept(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	r := restored(t, s)
	o, err := OpenOperator(r.path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	must := func(_ spool.Moved, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	looks := func() {
		t.Helper()
		room := spool.Capacity{Team: "shop", Rate: plenty, Free: 1}
		tasks, _, err := r.Claim(t.Context(), epoch, time.Hour, room)
		if err != nil || len(tasks) != 1 || tasks[0].Call != spool.CheckConversation || !tasks[0].Unknown ||
			!tasks[0].Named {
			t.Fatalf("claimed %+v (%v), want a look at 7", tasks, err)
		}
		if err := r.Unclaim(t.Context(), tasks...); err != nil {
			t.Fatal(err)
		}
	}
	must(o.Hold(t.Context(), epoch, spool.Filter{}, ""))
	must(o.Release(t.Context(), epoch, spool.Filter{}))
	looks()
	must(o.Drop(t.Context(), epoch, spool.Filter{}))
	must(o.Retry(t.Context(), epoch, spool.Filter{}, spool.RetryOptions{}))
	looks()
}

// TestBackupLetsOthersPass restores an active request of a route that is held: the reply behind it, of another
// route, does not wait for it.
func TestBackupLetsOthersPass(t *testing.T) {
	s := openSpool(t, Options{})
	first, reply := mail(1), mail(2)
	reply.Requests[0].Lookup = first.Requests[0].Own
	for _, m := range []*spool.Message{first, reply} {
		if _, err := s.Accept(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	room := spool.Capacity{Team: "shop", Rate: plenty, Free: 9}
	if _, _, err := s.Claim(t.Context(), epoch, time.Hour, room); err != nil {
		t.Fatal(err)
	}
	h := spool.Hold{Team: "shop", Route: first.Route, Reason: "gone"}
	if err := errors.Join(s.Hold(t.Context(), epoch, h, nil), s.StepAside(t.Context(), h.Destination())); err != nil {
		t.Fatal(err)
	}
	r := restored(t, s)
	tasks, _, err := r.Claim(t.Context(), epoch, time.Hour, room)
	if err != nil || len(tasks) != 1 || tasks[0].QueueID != "Q2" {
		t.Errorf("claimed %+v (%v), want the reply", tasks, err)
	}
}

// A restored spool serves the links that it knows, under the same key. It has no new message share
// an object that the spool which was backed up may have deleted since.
func TestRestoredLinks(t *testing.T) {
	s := openSpool(t, Options{})
	file := func(n int64) *spool.Message {
		m := mail(n)
		m.Route = "orders"
		m.Files = []spool.File{{ID: spool.LinkHash{byte(n)}, Key: fmt.Sprint("object ", n), Expires: epoch}}
		return m
	}
	if _, err := s.Accept(t.Context(), file(1)); err != nil {
		t.Fatal(err)
	}
	key, err := s.SigningKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := restored(t, s)
	for n, unused := range []int{0, 1} { // the second shares what the first has brought
		receipt, err := r.Accept(t.Context(), file(int64(n+2)))
		if err != nil || len(receipt.Unused) != unused {
			t.Errorf("message %d: %+v (%v)", n+2, receipt, err)
		}
	}
	for n, want := range map[byte]string{1: "object 1", 2: "object 2", 3: "object 2"} {
		if a, err := r.File(t.Context(), spool.LinkHash{n}); err != nil || a.Key != want {
			t.Errorf("link %d leads to %+v (%v), want %s", n, a, err, want)
		}
	}
	if again, err := r.SigningKey(t.Context()); err != nil || !bytes.Equal(key, again) {
		t.Errorf("the signing key is another one (%v)", err)
	}
	wantSound(t, r)
}

// A backup is one private file, can be read, and overwrites nothing.
func TestBackupIsOneFile(t *testing.T) {
	path := backedUp(t, epoch)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v (%v), want mode 0600", info, err)
	}
	if got := files(t, path); !slices.Equal(got, []string{"backup.db"}) {
		t.Errorf("a backup left %v", got)
	}
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	list, err := r.List(t.Context(), spool.Filter{})
	if err != nil || len(list) != 3 {
		t.Errorf("it lists %v (%v)", list, err)
	}
	if err := r.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := Backup(t.Context(), path, path, epoch); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want ErrExist", err)
	}
	absent := filepath.Join(t.TempDir(), "absent.db")
	if err := Backup(t.Context(), absent, absent+".copy", epoch); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
	if got := files(t, absent); len(got) > 0 {
		t.Errorf("a backup of nothing left %v", got)
	}
}

// A backup has its name when it is marked as one, and not before: its process can be killed meanwhile.
func TestBackupIsWhole(t *testing.T) {
	from, to := backedUp(t, epoch), filepath.Join(t.TempDir(), "copy.db")
	err := backUp(t.Context(), from, to, func(conn *sql.Conn) error {
		if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("there is %s already (%v)", to, err)
		}
		return errors.New("killed")
	})
	if err == nil || len(files(t, to)) > 0 {
		t.Errorf("error %v, and there is %v", err, files(t, to))
	}
	if err := os.WriteFile(to+".part", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err = Backup(t.Context(), from, to, epoch)
	if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "remove what an interrupted backup left") {
		t.Errorf("over the rest of another: %v", err)
	}
	err = Backup(t.Context(), from, filepath.Join(to, "nowhere", "copy.db"), epoch)
	if err == nil || !strings.Contains(err.Error(), "name a file in a directory that this user can write to") {
		t.Errorf("to no directory: %v", err)
	}
}

// A backup of an earlier schema is migrated and still taken over.
func TestMigrationKeepsTheMark(t *testing.T) {
	path := backedUp(t, epoch)
	steps := append(migrations(), "CREATE TABLE later (a TEXT) STRICT")
	err := change(t.Context(), path, func(conn *sql.Conn) error {
		if err := migrateSteps(t.Context(), conn, steps); err != nil {
			return err
		}
		restored, err := takeOver(t.Context(), conn, epoch)
		if !restored {
			t.Error("it is not taken over")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestClone does with a spool what docs/durability.md does with a damaged one: sqlite3 copies what its tables
// have into another database, which is marked as a spool. The queue commands can read it.
func TestClone(t *testing.T) {
	s := openSpool(t, Options{})
	fill(t, s, 3)
	clone := filepath.Join(t.TempDir(), "saved.db")
	if err := createFile(clone); err != nil {
		t.Fatal(err)
	}
	alter(t, clone, fmt.Sprintf("ATTACH '%s' AS old", s.path)+cloned(t, s)+
		fmt.Sprintf("; PRAGMA application_id = 0x68657952; PRAGMA user_version = %d", currentVersion()))
	r, err := OpenReader(clone)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	states, err := spool.ParseStates([]string{"waiting"})
	if err != nil {
		t.Fatal(err)
	}
	list, err := r.List(t.Context(), spool.Filter{States: states})
	if err != nil || len(list) != 3 {
		t.Errorf("it lists %v (%v), want all three", list, err)
	}
	if c, err := r.Content(t.Context(), "Q1"); err != nil || !bytes.Equal(c.Raw, mail(1).Raw) {
		t.Errorf("its content is %+v (%v)", c, err)
	}
}

// cloned are the statements that make the tables of a spool, and fill them from the database old.
func cloned(t *testing.T, s *Store) (all string) {
	t.Helper()
	const tables = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql IS NOT NULL ORDER BY rowid"
	err := eachRow(t.Context(), s.db, tables, nil, func(row scanner) error {
		var name, made string
		err := row.Scan(&name, &made)
		all += fmt.Sprintf("; %s; INSERT INTO main.%s SELECT * FROM old.%s", made, name, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
