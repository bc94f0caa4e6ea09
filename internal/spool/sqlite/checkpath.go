package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// CheckPath returns why this user could not open a spool at path, as far as that can
// be seen without opening or creating it.
func CheckPath(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	if err := checkFolder(path); err != nil {
		return err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = checkCreate(filepath.Dir(path))
	case err == nil && !info.Mode().IsRegular():
		err = errors.New("not a regular file")
	case err == nil:
		err = checkWrite(path)
	}
	if err != nil {
		return fmt.Errorf("open spool %s: %w", path, err)
	}
	return nil
}

// checkCreate creates a file in dir and removes it.
func checkCreate(dir string) error {
	f, err := os.CreateTemp(dir, ".heyrelay-check-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func checkWrite(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}
