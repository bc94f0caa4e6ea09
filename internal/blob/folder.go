package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"heyrelay/internal/disk"
)

// partial ends the name of a file that is being stored.
const partial = ".part"

// folder is a store in a folder of its own. The object of the key abcdef… is the file ab/cdef….
type folder struct {
	path    string
	opened  fs.FileInfo // the folder itself, to notice that another was put in its place
	minFree int64
	free    func(dir string) (int64, error)

	syncFile   func(*os.File) error
	syncFolder func(path string) error
	readFolder func(path string) ([]fs.DirEntry, error)

	mu      sync.Mutex
	storing int64           // octets that calls of Put are storing
	durable map[string]bool // shards whose names are on disk, by path
}

// openFolder opens the folder at path, and makes it if its parent exists.
func openFolder(path string, o Options) (*folder, error) {
	f := &folder{
		path:       path,
		minFree:    o.MinFree,
		free:       disk.Free,
		syncFile:   (*os.File).Sync,
		syncFolder: disk.SyncFolder,
		readFolder: os.ReadDir,
		durable:    map[string]bool{},
	}
	if _, err := findFolder(path); err != nil {
		return nil, fmt.Errorf("open blob store: %w", err)
	}
	if err := f.makeFolder(path); err != nil {
		return nil, fmt.Errorf("open blob store: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open blob store: %w", err)
	}
	if err := disk.Narrow(path, info, "files from mail", o.Warn); err != nil {
		return nil, fmt.Errorf("open blob store: %w; or name a directory below it", err)
	}
	f.opened = info
	return f, nil
}

// findFolder returns the folder at path, or, if there is none, the one in which it can be made.
func findFolder(path string) (string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		path = filepath.Dir(path)
		info, err = os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("directory %s does not exist: create it for heyrelay's user with mode 0700", path)
		}
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", path)
	}
	return path, err
}

// checkFolder returns why this user could not open the folder at path. It makes a file and removes it.
func checkFolder(path string) error {
	dir, err := findFolder(path)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".heyrelay-check-*")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// makeFolder makes a folder, durably, if it does not exist.
func (f *folder) makeFolder(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.syncFolder(filepath.Dir(path))
}

// makeShard makes the folder of an object if it does not exist. One that exists need not be on disk:
// another call has made it, or a process that was killed.
func (f *folder) makeShard(path string) error {
	f.mu.Lock()
	durable := f.durable[path]
	f.mu.Unlock()
	err := os.Mkdir(path, 0o700)
	if durable && errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := f.syncFolder(f.path); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.durable[path] = true
	return nil
}

// shard is the folder of an object.
func (f *folder) shard(key string) string { return filepath.Join(f.path, key[:2]) }

// file is the name of an object.
func (f *folder) file(key string) string { return filepath.Join(f.shard(key), key[2:]) }

func (f *folder) Put(ctx context.Context, key string, size int64, open func() io.Reader) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if err := f.reserve(size); err != nil {
		return err
	}
	defer f.release(size)
	c := &content{ctx: ctx, reader: open(), size: size}
	err := f.store(key, c)
	if c.err != nil {
		return c.err
	}
	return f.explain("store "+key, err)
}

// store writes a file under a temporary name, and gives it its own when it is whole and on disk.
func (f *folder) store(key string, c *content) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := f.makeShard(f.shard(key)); err != nil {
		return err
	}
	part := f.file(key) + partial
	err := f.write(part, c)
	if err == nil {
		err = os.Rename(part, f.file(key))
	}
	if err != nil {
		_ = os.Remove(part) // or Delete removes it
		return err
	}
	if err := errors.Join(f.syncFolder(f.shard(key)), f.check()); err != nil {
		_ = os.Remove(f.file(key))
		return err
	}
	return nil
}

// write makes a file with the content, and waits for the disk.
func (f *folder) write(name string, c *content) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, c)
	if err == nil {
		err = f.syncFile(file)
	}
	return errors.Join(err, file.Close())
}

// reserve makes sure that size octets can be stored and MinFree octets are free then. What other calls are
// storing counts whole, though a part of it may already be on disk.
func (f *folder) reserve(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	free, err := f.free(f.path)
	if err != nil {
		return f.explain("find the free space of "+f.path, err)
	}
	if f.minFree > 0 && free-f.storing-size < f.minFree {
		return fmt.Errorf("%w: %d octets are free on the disk of %s, %d are being stored, the file needs %d, and "+
			"%d must stay free", ErrFull, free, f.path, f.storing, size, f.minFree)
	}
	f.storing += size
	return nil
}

func (f *folder) release(size int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.storing -= size
}

// check returns ErrUnavailable if the folder is not the one that was opened: what is stored now would not be
// found where it is looked for later.
func (f *folder) check() error {
	info, err := os.Stat(f.path)
	if err == nil && !os.SameFile(info, f.opened) {
		err = errors.New("another directory is in its place; restart heyrelay if that is intended")
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, f.path, err)
	}
	return nil
}

func (f *folder) Open(_ context.Context, key string) (Object, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	file, err := os.Open(f.file(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, f.missing(key)
	}
	if err != nil {
		return nil, f.explain("open "+key, err)
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, f.explain("open "+key, err)
	}
	return stored{file, info.Size()}, nil
}

// missing is ErrNotFound, unless the whole folder is missing.
func (f *folder) missing(key string) error {
	if err := f.check(); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", ErrNotFound, key)
}

// stored is an object in a file.
type stored struct {
	*os.File
	size int64
}

// Size is the length in octets.
func (s stored) Size() int64 { return s.size }

func (f *folder) Delete(_ context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	for _, name := range []string{f.file(key) + partial, f.file(key)} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return f.explain("delete "+key, err)
		}
	}
	return f.check()
}

func (f *folder) List(ctx context.Context, each func(Info) error) error {
	if err := f.check(); err != nil {
		return err
	}
	shards, err := f.readFolder(f.path)
	if err != nil {
		return f.explain("list objects", err)
	}
	for _, shard := range shards {
		if !shard.IsDir() || !isShard(shard.Name()) { // a disk has a lost+found, which only root reads
			continue
		}
		if err := f.listShard(ctx, shard.Name(), each); err != nil {
			return err
		}
	}
	return nil
}

// isShard reports whether a folder of this name has objects.
func isShard(name string) bool { return len(name) == 2 && isKey(name+strings.Repeat("0", keyLength-2)) }

// listShard lists the objects of a shard.
func (f *folder) listShard(ctx context.Context, shard string, each func(Info) error) error {
	files, err := f.readFolder(filepath.Join(f.path, shard))
	if err != nil {
		return f.explain("list objects", err)
	}
	for _, file := range files {
		key := shard + strings.TrimSuffix(file.Name(), partial)
		if !isKey(key) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := file.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since
		}
		if err != nil {
			return f.explain("list objects", err)
		}
		if err := each(Info{Key: key, Size: info.Size(), Stored: info.ModTime()}); err != nil {
			return err
		}
	}
	return nil
}

// Ping writes a file, and waits for the disk.
func (f *folder) Ping(context.Context) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := f.reserve(0); err != nil {
		return err
	}
	err := f.ping(filepath.Join(f.path, "ping"))
	return f.explain("write to "+f.path, err)
}

func (f *folder) ping(name string) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString("heyrelay\n")
	return errors.Join(err, f.syncFile(file), file.Close())
}

// explain says of which kind an error of the disk is.
func (f *folder) explain(what string, err error) error {
	kind := ErrUnavailable
	switch {
	case err == nil || errors.Is(err, ErrUnavailable):
		return err
	case disk.IsFull(err):
		kind = ErrFull
	case disk.IsReadOnly(err):
		kind = ErrDenied
	}
	return fmt.Errorf("%w: %s: %w", kind, what, err)
}
