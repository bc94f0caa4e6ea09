package blob_test

import (
	"os"
	"path/filepath"
	"testing"

	"heyrelay/internal/blob"
	"heyrelay/internal/blob/blobtest"
)

func TestFolder(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Stage {
		dir := filepath.Join(t.TempDir(), "blobs")
		store, err := blob.Open("file://"+filepath.ToSlash(dir), blob.Options{})
		if err != nil {
			t.Fatal(err)
		}
		move := func(from, to string) func() {
			return func() {
				if err := os.Rename(from, to); err != nil {
					t.Error(err)
				}
			}
		}
		return blobtest.Stage{
			Store: store,
			Down:  move(dir, dir+".away"),
			Up:    move(dir+".away", dir),
			Shorten: func(key string) {
				if err := os.Truncate(filepath.Join(dir, key[:2], key[2:]), 999); err != nil {
					t.Error(err)
				}
			},
		}
	})
}
