package blob

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// newFolder opens a new folder.
func newFolder(t *testing.T, o Options) *folder {
	t.Helper()
	f, err := openFolder(filepath.Join(t.TempDir(), "blobs"), o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// putText stores a text under a new key.
func putText(t *testing.T, s Store, text string) (string, error) {
	t.Helper()
	key := Owner{}.NewKey(rand.Reader)
	return key, s.Put(t.Context(), key, int64(len(text)), func() io.Reader { return strings.NewReader(text) })
}

// filesBelow returns the files and folders below dir with their modes.
func filesBelow(t *testing.T, dir string) map[string]fs.FileMode {
	t.Helper()
	all := map[string]fs.FileMode{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		all[path] = info.Mode()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Only the owner can read what is stored, even with a liberal umask.
func TestFolderIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	f := newFolder(t, Options{})
	if _, err := putText(t, f, "hello"); err != nil {
		t.Fatal(err)
	}
	all := filesBelow(t, f.path)
	for path, mode := range all {
		if mode.Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, mode)
		}
	}
	if len(all) != 3 {
		t.Errorf("a folder, a shard and a file, but %v", all)
	}
}

// A folder that others can enter is narrowed, with a warning.
func TestFolderIsNarrowed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var warned string
	if _, err := openFolder(dir, Options{Warn: func(s string) { warned = s }}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 || !strings.Contains(warned, "from 0755 to 0700") {
		t.Errorf("mode %v, %v, warned %q", info.Mode(), err, warned)
	}
}

// A file is on disk before it has its name, and its name before Put returns; if either fails, nothing is stored.
func TestFolderIsDurable(t *testing.T) {
	f := newFolder(t, Options{})
	var synced []string
	f.syncFile = func(file *os.File) error {
		info, err := file.Stat()
		synced = append(synced, filepath.Ext(file.Name()))
		if err != nil || info.Size() != 5 {
			t.Errorf("synced with %d octets, %v", info.Size(), err)
		}
		return nil
	}
	f.syncFolder = func(path string) error {
		entries, err := os.ReadDir(path)
		if err != nil || len(entries) != 1 || strings.HasSuffix(entries[0].Name(), partial) {
			t.Errorf("%s was synced with %v, %v", path, entries, err)
		}
		synced = append(synced, filepath.Base(path))
		return nil
	}
	key, err := putText(t, f, "hello")
	if want := []string{"blobs", partial, key[:2]}; err != nil || !slices.Equal(synced, want) {
		t.Errorf("%v; synced %q, want %q", err, synced, want)
	}
}

// A shard that was made and not brought to disk is brought there before a file in it counts as stored.
func TestFolderOfAnotherCall(t *testing.T) {
	f := newFolder(t, Options{})
	var synced []string
	f.syncFolder = func(path string) error {
		synced = append(synced, filepath.Base(path))
		if len(synced) == 1 {
			return errors.New("input/output error")
		}
		return nil
	}
	put := func(last string) error {
		key := strings.Repeat("0", keyLength-1) + last
		return f.Put(t.Context(), key, 1, func() io.Reader { return strings.NewReader("a") })
	}
	if err := put("1"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("the disk failed, Put: %v", err)
	}
	if err := errors.Join(put("2"), put("3")); err != nil {
		t.Error(err)
	}
	if want := []string{"blobs", "blobs", "00", "00"}; !slices.Equal(synced, want) {
		t.Errorf("synced %q, want %q", synced, want)
	}
}

// What cannot be brought to disk is not stored.
func TestFolderThatDoesNotSync(t *testing.T) {
	failure := errors.New("input/output error")
	tests := map[string]func(*folder){
		"file":   func(f *folder) { f.syncFile = func(*os.File) error { return failure } },
		"folder": func(f *folder) { f.syncFolder = func(string) error { return failure } },
	}
	for name, fail := range tests {
		f := newFolder(t, Options{})
		if err := os.Mkdir(f.shard("00"), 0o700); err != nil {
			t.Fatal(err)
		}
		fail(f)
		key := strings.Repeat("0", keyLength)
		err := f.Put(t.Context(), key, 1, func() io.Reader { return strings.NewReader("a") })
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, failure) {
			t.Errorf("%s: %v", name, err)
		}
		for path, mode := range filesBelow(t, f.path) {
			if mode.IsRegular() {
				t.Errorf("%s: %s remained", name, path)
			}
		}
	}
}

// What a crash left is listed, is no object, and goes with Delete.
func TestFolderAfterACrash(t *testing.T) {
	f := newFolder(t, Options{})
	key := Owner{}.NewKey(rand.Reader)
	if err := os.Mkdir(f.shard(key), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.file(key)+partial, []byte("hel"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(t.Context(), key); !errors.Is(err, ErrNotFound) {
		t.Errorf("half an object: %v", err)
	}
	var listed []Info
	err := f.List(t.Context(), func(i Info) error {
		listed = append(listed, i)
		return f.Delete(t.Context(), i.Key)
	})
	if err != nil || len(listed) != 1 || listed[0].Key != key || listed[0].Size != 3 {
		t.Errorf("listed %+v, %v", listed, err)
	}
	if all := filesBelow(t, f.path); len(all) != 2 {
		t.Errorf("what remains: %v", all)
	}
}

// Files that are no objects are neither listed nor touched.
func TestFolderWithOtherFiles(t *testing.T) {
	f := newFolder(t, Options{})
	key, err := putText(t, f, "hello")
	if err != nil {
		t.Fatal(err)
	}
	other := []string{"ping", "lost+found/x", key[:2] + "/x", key[:2] + "/" + key[2:] + ".bak", key, "abc/" + key[3:]}
	for _, name := range other {
		path := filepath.Join(f.path, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	f.readFolder = func(path string) ([]fs.DirEntry, error) {
		if filepath.Base(path) == "lost+found" { // that of a disk, which only root reads
			return nil, fs.ErrPermission
		}
		return os.ReadDir(path)
	}
	var keys []string
	err = f.List(t.Context(), func(i Info) error {
		keys = append(keys, i.Key)
		return nil
	})
	if err != nil || !slices.Equal(keys, []string{key}) {
		t.Errorf("listed %q, %v", keys, err)
	}
}

// What is being stored counts, so that many files at once do not take the last of the disk.
func TestFolderKeepsRoom(t *testing.T) {
	f := newFolder(t, Options{MinFree: 100})
	f.free = func(string) (int64, error) { return 120, nil }
	if _, err := putText(t, f, strings.Repeat("a", 21)); !errors.Is(err, ErrFull) {
		t.Errorf("21 octets of 20: %v", err)
	}
	within := func() io.Reader {
		if _, err := putText(t, f, strings.Repeat("a", 11)); !errors.Is(err, ErrFull) {
			t.Errorf("11 octets beside 10 of 20: %v", err)
		}
		return bytes.NewReader(make([]byte, 10))
	}
	if err := f.Put(t.Context(), Owner{}.NewKey(rand.Reader), 10, within); err != nil {
		t.Error(err)
	}
	if _, err := putText(t, f, strings.Repeat("a", 20)); err != nil {
		t.Errorf("20 octets of 20: %v", err)
	}
	f.free = func(string) (int64, error) { return 99, nil }
	if err := f.Ping(t.Context()); !errors.Is(err, ErrFull) {
		t.Errorf("Ping: %v", err)
	}
}

// Each error of a disk is of its kind.
func TestFolderErrors(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("other errors")
	}
	tests := map[syscall.Errno]error{
		syscall.ENOSPC: ErrFull,
		syscall.EDQUOT: ErrFull,
		syscall.EROFS:  ErrDenied,
		syscall.EACCES: ErrDenied,
		syscall.EIO:    ErrUnavailable,
	}
	for errno, want := range tests {
		f := newFolder(t, Options{})
		f.syncFile = func(file *os.File) error { return &fs.PathError{Op: "sync", Path: file.Name(), Err: errno} }
		if _, err := putText(t, f, "hello"); !errors.Is(err, want) {
			t.Errorf("%v: %v, want %v", errno, err, want)
		}
		if err := f.Ping(t.Context()); !errors.Is(err, want) {
			t.Errorf("Ping: %v: %v, want %v", errno, err, want)
		}
	}
}

// Another folder in the place of the one that was opened, such as a mount point without its disk, is not used.
func TestFolderIsReplaced(t *testing.T) {
	f := newFolder(t, Options{})
	key, err := putText(t, f, "hello")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(f.path, f.path+".away"), os.Mkdir(f.path, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := putText(t, f, "hello"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Put: %v", err)
	}
	if _, err := f.Open(t.Context(), key); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Open: %v", err)
	}
	if err := f.Delete(t.Context(), key); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Delete: %v", err)
	}
	if all := filesBelow(t, f.path); len(all) != 1 {
		t.Errorf("stored in the other folder: %v", all)
	}
}

// One line says that the folder is missing, and its path.
func TestFolderIsMissing(t *testing.T) {
	f := newFolder(t, Options{})
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	_, put := putText(t, f, "hello")
	for what, err := range map[string]error{"Put": put, "Ping": f.Ping(t.Context())} {
		text := fmt.Sprint(err)
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(text, f.path) || strings.Contains(text, "\n") {
			t.Errorf("%s: %q", what, text)
		}
	}
}

// CheckStore refuses what Open refuses, and makes nothing.
func TestCheckStore(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "new"):          "",
		dir:                                "",
		filepath.Join(dir, "no", "parent"): "no does not exist",
		file:                               "is not a directory",
		filepath.Join(file, "in"):          "",
	} {
		location := "file://" + filepath.ToSlash(path)
		before := filesBelow(t, dir)
		checked := CheckStore(location)
		if !maps.Equal(filesBelow(t, dir), before) {
			t.Errorf("%s: something was made or changed", path)
		}
		_, opened := Open(location, Options{})
		if (checked == nil) != (opened == nil) || want != "" && !strings.Contains(fmt.Sprint(checked), want) {
			t.Errorf("%s: checked %v, opened %v", path, checked, opened)
		}
		_ = os.Remove(filepath.Join(dir, "new"))
	}
}
