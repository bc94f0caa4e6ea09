package crash

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"testing"
	"time"

	"heyrelay/internal/blob"
	"heyrelay/internal/cleaning"
	"heyrelay/internal/spool/sqlite"
)

const blobsConfig = `
blobs: {url: %q, listen: "127.0.0.1:0", public_url: "https://files.example.com"}
`

// filePoints are where the relay kills itself on a route that links files, in the order in which a
// message passes them.
var filePoints = []string{
	"before a file is stored", "after a file is stored", points[0], points[1], points[2],
}

type bombBlobs struct {
	blob.Store
	b *bomb
}

func (s bombBlobs) Put(ctx context.Context, key string, size int64, open func() io.Reader) error {
	s.b.pass(filePoints[0])
	err := s.Store.Put(ctx, key, size, open)
	s.b.pass(filePoints[1])
	return err
}

// Each acknowledged message arrives once, with links to its files, whenever the relay is killed; and
// nothing else remains in the store once it is a day old.
func TestKillFiles(t *testing.T) {
	k := newKiller(t, *messages/4)
	k.blobs = t.TempDir()
	k.content = func(i int) string {
		return fmt.Sprintf("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nmail-%d.\r\n"+
			"--b\r\nContent-Type: text/plain; name=own.txt\r\n\r\nfile of %[1]d\r\n"+
			"--b\r\nContent-Type: text/plain; name=same.txt\r\n\r\nfile of all\r\n--b--\r\n", i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	sending := k.sendAndKill(ctx, filePoints)
	store := k.last(ctx, sending)
	k.wantKills(filePoints)
	k.compareFiles(store)
}

// fileLinks are the links in a plain text body.
var fileLinks = regexp.MustCompile(`(?s)mail-(\d+)\..*/f/([\w-]+)/own\.txt>.*/f/([\w-]+)/same\.txt>`)

// compareFiles sees that the sandbox has each message once, with links that lead to its files, and
// that the store has nothing else after it was cleaned.
func (k *killer) compareFiles(spool *sqlite.Store) {
	k.t.Helper()
	blobs, err := blob.Open("file://"+k.blobs, blob.Options{})
	if err != nil {
		k.t.Fatal(err)
	}
	k.cleanFiles(spool, blobs)
	key, err := spool.SigningKey(k.t.Context())
	if err != nil {
		k.t.Fatal(err)
	}
	links := blob.NewLinks(key, "")
	read := func(token string) string {
		id, _, _ := links.Parse(token)
		a, err := spool.File(k.t.Context(), id.Hash())
		if err != nil {
			return err.Error()
		}
		object, err := blobs.Open(k.t.Context(), a.Key)
		if err != nil {
			return err.Error()
		}
		defer object.Close()
		content, err := io.ReadAll(object)
		if err != nil {
			return err.Error()
		}
		return string(content)
	}
	count := map[int]int{}
	for _, text := range k.texts() {
		found := fileLinks.FindStringSubmatch(text)
		if found == nil {
			k.t.Errorf("no links in %q", text)
			continue
		}
		i, _ := strconv.Atoi(found[1])
		count[i]++
		if own, same := read(found[2]), read(found[3]); own != fmt.Sprintf("file of %d", i) || same != "file of all" {
			k.t.Errorf("message %d links %q and %q", i, own, same)
		}
	}
	for i := range k.messages {
		if count[i] != 1 {
			k.t.Errorf("message %d arrived %d times", i, count[i])
		}
	}
}

// cleanFiles deletes what no message has, a day later, and sees that nothing else is left.
func (k *killer) cleanFiles(spool *sqlite.Store, blobs blob.Store) {
	k.t.Helper()
	cleaner := cleaning.Cleaner{
		Spool: spool, Blobs: blobs, Now: func() time.Time { return time.Now().Add(25 * time.Hour) },
	}
	done, err := cleaner.Round(k.t.Context(), true)
	if err != nil {
		k.t.Error(err)
	}
	k.t.Logf("strays %d", done.Strays)
	objects := 0
	if err := blobs.List(k.t.Context(), func(blob.Info) error { objects++; return nil }); err != nil {
		k.t.Error(err)
	}
	if want := k.messages + 1; objects != want { // that of all is shared
		k.t.Errorf("%d objects, want %d", objects, want)
	}
}
