package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/spool"
)

// failOpen opens a spool that cannot be opened, and returns the one line that
// says why.
func failOpen(t *testing.T, path string) error {
	t.Helper()
	s, err := Open(t.Context(), path, Options{})
	if err == nil {
		s.Close()
		t.Fatal("the spool was opened")
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has more than one line: %v", err)
	}
	return err
}

func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("the error %q does not say %q", err, p)
		}
	}
}

func TestOpenMakesPrivateFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accept(t.Context(), mail(1)); err != nil {
		t.Error(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Error(err)
		} else if info.Mode() != 0o600 {
			t.Errorf("spool.db%s has mode %s, want 0600", suffix, info.Mode())
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := files(t, path); !slices.Equal(got, []string{"spool.db", "spool.db.lock"}) {
		t.Errorf("Close left %v, want the spool and its lock file", got)
	}
}

// files are the names beside path.
func files(t *testing.T, path string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// What others can access is narrowed by its owner: Kubernetes widens the files of a
// volume at each mount.
func TestOpenNarrowsWideFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	for _, mode := range []os.FileMode{0o660, 0o640, 0o604, 0o666} {
		s, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		var warnings []string
		s, err = Open(t.Context(), path, Options{Warn: func(w string) { warnings = append(warnings, w) }})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v after %04o (%v), want 0600", info.Mode(), mode, err)
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0], fmt.Sprintf("from %04o to 0600", mode)) {
			t.Errorf("warnings %q", warnings)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOpenByAnotherName has two processes name one spool in different ways.
func TestOpenByAnotherName(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "spool.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	link, folder := filepath.Join(dir, "link.db"), filepath.Join(dir, "folder")
	if err := errors.Join(os.Symlink(path, link), os.Symlink(dir, folder)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{link, filepath.Join(folder, "spool.db")} {
		if err := failOpen(t, name); !errors.Is(err, spool.ErrInUse) {
			t.Errorf("%s: error %v, want ErrInUse", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	hard := filepath.Join(dir, "hard.db")
	if err := os.Link(path, hard); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, hard} {
		wantText(t, failOpen(t, name), "2 hard links", "remove the other names")
	}
}

// TestLockFileIsALink has the lock file of one spool be that of another.
func TestLockFileIsALink(t *testing.T) {
	for name, link := range map[string]func(string, string) error{"symbolic": os.Symlink, "hard": os.Link} {
		dir := t.TempDir()
		other := filepath.Join(dir, "other.lock")
		if err := os.WriteFile(other, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "spool.db")
		if err := link(other, path+".lock"); err != nil {
			t.Fatal(err)
		}
		if err := failOpen(t, path); !strings.Contains(err.Error(), "was replaced or is a link") {
			t.Errorf("%s link: %v", name, err)
		}
	}
}

// TestFilesAreWatched takes away each file of an open spool. What would be written from
// then on would be lost at the next start, so nothing is accepted until it is back.
func TestFilesAreWatched(t *testing.T) {
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		for name, harm := range map[string]func(path string) error{
			"removed":               func(string) error { return nil },
			"replaced":              func(path string) error { return os.WriteFile(path, nil, 0o600) },
			"replaced by directory": func(path string) error { return os.Mkdir(path, 0o700) },
		} {
			t.Run(name+suffix, func(t *testing.T) {
				now := epoch
				path := filepath.Join(t.TempDir(), "spool.db")
				s, err := Open(t.Context(), path, Options{Now: func() time.Time { return now }})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				n := int64(0)
				accept := func() error {
					n++
					now = now.Add(time.Second)
					_, err := s.Accept(t.Context(), mail(n))
					return err
				}
				if err := accept(); err != nil {
					t.Fatal(err)
				}
				file, away := path+suffix, path+".away"
				if err := errors.Join(os.Rename(file, away), harm(file)); err != nil {
					t.Fatal(err)
				}
				if err := accept(); !errors.Is(err, spool.ErrReplaced) || !strings.Contains(err.Error(), file) {
					t.Errorf("error %v, want ErrReplaced of %s", err, file)
				}
				if _, err := s.Stats(t.Context()); err != nil && !errors.Is(err, spool.ErrReplaced) {
					t.Errorf("reading: %v", err)
				}
				if err := errors.Join(removeIfAny(file), os.Rename(away, file)); err != nil {
					t.Fatal(err)
				}
				if err := accept(); err != nil {
					t.Errorf("after the file is back: %v", err)
				}
				if err := os.Link(file, path+".second"); err != nil {
					t.Fatal(err)
				}
				if err := accept(); !errors.Is(err, spool.ErrReplaced) {
					t.Errorf("with a second name: %v", err)
				}
			})
		}
	}
}

func removeIfAny(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// TestFolderIsWatched renames the directory of an open spool within the second in which the
// disk was looked at. What is committed there is not acknowledged.
func TestFolderIsWatched(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	options := Options{Now: func() time.Time { return epoch }}
	s, err := Open(t.Context(), filepath.Join(dir, "spool.db"), options)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Accept(t.Context(), mail(1)); err != nil {
		t.Fatal(err)
	}
	away := dir + ".away"
	if err := errors.Join(os.Rename(dir, away), os.Mkdir(dir, 0o700)); err != nil {
		t.Skip(err) // Windows does not rename what is open
	}
	if _, err := s.Accept(t.Context(), mail(2)); !errors.Is(err, spool.ErrReplaced) {
		t.Errorf("error %v, want ErrReplaced", err)
	}
	if err := errors.Join(os.Remove(dir), os.Rename(away, dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accept(t.Context(), mail(3)); err != nil {
		t.Errorf("after the directory is back: %v", err)
	}
}

func TestOpenInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = failOpen(t, path)
	if !errors.Is(err, spool.ErrInUse) {
		t.Errorf("error %v, want ErrInUse", err)
	}
	wantText(t, err, path, "process "+strconv.Itoa(os.Getpid()))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s, err = Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatalf("after Close the spool is still held: %v", err)
	}
	s.Close()
}

func TestOpenMissingFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "spool.db")
	wantText(t, failOpen(t, path), filepath.Dir(path)+" does not exist", "create it")
}

func TestOpenUnwritableFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("everything is writable for root")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	wantText(t, failOpen(t, filepath.Join(dir, "spool.db")), dir, "directory and lock file must be writable")
}

// A command that somebody runs who may not use the spool.
func TestOpenAsAnotherUser(t *testing.T) {
	const advice = "; run the command as root, or as the user of heyrelay serve"
	missing := &fs.PathError{Op: "stat", Path: "spool.db", Err: fs.ErrPermission}
	for _, test := range []struct {
		err  error
		uid  int
		want string
	}{
		{missing, 1000, advice},
		{fmt.Errorf("%w: unable to open database file", spool.ErrReadOnly), 1000, advice},
		{spool.ErrReadOnly, 0, ""}, // a disk that cannot be written
		{spool.ErrReadOnly, -1, ""},
		{spool.ErrInUse, 1000, ""},
	} {
		if got := asOwner(test.err, test.uid); got != test.want {
			t.Errorf("%v for %d: %q", test.err, test.uid, got)
		}
	}
}

func TestOpenNotAFile(t *testing.T) {
	wantText(t, failOpen(t, t.TempDir()), "not a regular file")
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantText(t, failOpen(t, filepath.Join(path, "spool.db")), "not a directory")
}

func TestOpenNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("something else ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := failOpen(t, path); !errors.Is(err, spool.ErrCorrupt) {
		t.Errorf("error %v, want ErrCorrupt", err)
	}
}

// alter runs a statement on a spool that is closed.
func alter(t *testing.T, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpenForeignDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	alter(t, path, "CREATE TABLE bookmarks (url TEXT)")
	wantText(t, failOpen(t, path), "another program")
}

func TestOpenNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	alter(t, path, "PRAGMA user_version = 99")
	wantText(t, failOpen(t, path), "newer heyrelay", "version 99")
	_, err = OpenReader(path)
	if err == nil {
		t.Fatal("a reader opened it")
	}
	wantText(t, err, "newer heyrelay")
}

// TestOpenUnreleased refuses a spool from before the first release.
func TestOpenUnreleased(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	alter(t, path, "PRAGMA user_version = 1")
	wantText(t, failOpen(t, path), "before the first release", "version 1", "name another file")
}

// TestPragmas reads back on what durability stands.
func TestPragmas(t *testing.T) {
	s := openSpool(t, Options{})
	for pragma, want := range map[string]string{
		"synchronous":          "2",
		"journal_mode":         "wal",
		"checkpoint_fullfsync": "1",
		"foreign_keys":         "1",
		"page_size":            "4096",
		"auto_vacuum":          "2",
		"wal_autocheckpoint":   "0",
		"application_id":       "1751480658",
		"user_version":         strconv.Itoa(currentVersion()),
	} {
		got, err := run(t.Context(), s, 0, func(w *writer) (v any, err error) {
			_, err = w.get("PRAGMA "+pragma, nil, &v)
			return v, err
		})
		if fmt.Sprint(got) != want || err != nil {
			t.Errorf("%s is %v (%v), want %s", pragma, got, err, want)
		}
	}
}

// TestOpenOrphans has what the last process claimed due at once, before its
// lease has run out.
func TestOpenOrphans(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	room := spool.Capacity{Team: "shop", Rate: plenty, Free: 1}
	for attempt := 1; attempt <= 3; attempt++ {
		s, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if attempt == 1 {
			if _, err := s.Accept(t.Context(), mail(1)); err != nil {
				t.Fatal(err)
			}
		}
		if detail, err := s.Show(t.Context(), "Q1"); err != nil || detail.Requests[0].Unknown != (attempt > 1) {
			t.Errorf("opened for the %d. time, the details are %+v (%v)", attempt, detail, err)
		}
		tasks, _, err := s.Claim(t.Context(), epoch, 24*time.Hour, room)
		if err != nil || len(tasks) != 1 || tasks[0].Attempt != attempt || tasks[0].Unknown != (attempt > 1) {
			t.Errorf("opened for the %d. time, claimed %+v (%v)", attempt, tasks, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReaderBesideServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := s.Accept(t.Context(), mail(1)); err != nil {
		t.Fatal(err)
	}
	list, err := r.List(t.Context(), spool.Filter{})
	if err != nil || len(list) != 1 || list[0].QueueID != "Q1" {
		t.Errorf("the reader sees %+v (%v), want Q1", list, err)
	}
	if _, err := r.db.Exec("DELETE FROM attempt"); err == nil {
		t.Error("the reader can write")
	}
}

func TestReaderLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	if _, err := OpenReader(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
	if got := files(t, path); len(got) != 0 {
		t.Errorf("a reader created %v", got)
	}
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), os.Remove(path+".lock")); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.List(t.Context(), spool.Filter{}); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if got := files(t, path); !slices.Equal(got, []string{"spool.db"}) {
		t.Errorf("the reader left %v", got)
	}
}

// TestOddPath has characters that mean something in a URI.
func TestOddPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%41&mode=memory.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestOpenContextEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "spool.db")
	if _, err := Open(ctx, path, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatalf("the lock was kept: %v", err)
	}
	s.Close()
}
