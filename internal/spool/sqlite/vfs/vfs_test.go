package vfs

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"modernc.org/libc"
	_ "modernc.org/sqlite"
)

// openDB opens a database on this file system, or on the system's.
func openDB(t *testing.T, path, more string) *sql.DB {
	t.Helper()
	if err := Register(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_busy_timeout=10000"+more)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func run(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// openLogged opens a database with a log on this file system. Its cache is so small that pages leave it
// before they are committed.
func openLogged(t *testing.T, path string) *sql.DB {
	t.Helper()
	db := openDB(t, path, "&vfs="+Name)
	for _, p := range []string{
		"journal_mode = WAL", "synchronous = FULL", "checkpoint_fullfsync = ON", "wal_autocheckpoint = 0",
		"cache_size = 10", "cache_spill = 10",
	} {
		run(t, db, "PRAGMA "+p)
	}
	run(t, db, "CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB)")
	return db
}

// content is what the table has.
func content(t *testing.T, db *sql.DB) map[int]string {
	t.Helper()
	rows, err := db.Query("SELECT k, hex(v) FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[int]string{}
	for rows.Next() {
		var k int
		var v string
		if err := rows.Scan(&k, &v); err != nil {
			t.Fatal(err)
		}
		all[k] = v
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return all
}

// copied opens a copy of a database as its files are now, on the system's file system: what a process finds
// that is started after this one was killed.
func copied(t *testing.T, path string) *sql.DB {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return openDB(t, to, "")
}

// TestRandomTransactions does transactions of all sizes, some of which are rolled back, among checkpoints.
// After each, another connection and a copy of the files have what was committed, and nothing else.
func TestRandomTransactions(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "x.db")
	db := openLogged(t, path)
	other := openDB(t, path, "")
	want := map[int]string{}
	for range 60 {
		now := map[int]string{}
		for k, v := range want {
			now[k] = v
		}
		run(t, db, "BEGIN IMMEDIATE")
		for range 1 + random.IntN(1<<random.IntN(7)) {
			k, v := random.IntN(300), make([]byte, random.IntN(1<<random.IntN(15)))
			for i := range v {
				v[i] = byte(random.Uint32())
			}
			run(t, db, "INSERT INTO t VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v", k, v)
			now[k] = fmt.Sprintf("%X", v)
		}
		switch random.IntN(4) {
		case 0:
			run(t, db, "ROLLBACK")
		default:
			run(t, db, "COMMIT")
			want = now
		}
		for name, found := range map[string]map[int]string{
			"another connection": content(t, other), "a copy": content(t, copied(t, path)),
		} {
			if fmt.Sprint(found) != fmt.Sprint(want) {
				t.Fatalf("%s has %d rows, want the %d that were committed", name, len(found), len(want))
			}
		}
		if random.IntN(8) == 0 {
			run(t, db, "PRAGMA wal_checkpoint(RESTART)")
		}
	}
	var result string
	if err := other.QueryRow("PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		t.Errorf("integrity_check: %s (%v)", result, err)
	}
}

// count counts calls of the system until the test ends.
func count(t *testing.T) (writes, syncs *int) {
	t.Helper()
	writes, syncs = new(int), new(int)
	write, sync := system.write, system.sync
	t.Cleanup(func() { system.write, system.sync = write, sync })
	system.write = func(tls *libc.TLS, file, buffer uintptr, n int32, offset int64) int32 {
		*writes++
		return write(tls, file, buffer, n, offset)
	}
	system.sync = func(tls *libc.TLS, file uintptr, flags int32) int32 {
		*syncs++
		return sync(tls, file, flags)
	}
	return writes, syncs
}

// TestCalls counts how often the log is written and synced.
func TestCalls(t *testing.T) {
	db := openLogged(t, filepath.Join(t.TempDir(), "x.db"))
	writes, syncs := count(t)
	run(t, db, "INSERT INTO t VALUES (1, randomblob(20000))")
	if *writes != 1 || *syncs != 0 {
		t.Errorf("a commit: %d writes and %d syncs, want one write and none", *writes, *syncs)
	}
	run(t, db, "PRAGMA wal_checkpoint(TRUNCATE)")
	if *syncs == 0 {
		t.Error("a checkpoint does not sync the log")
	}
	*syncs = 0
	run(t, db, "INSERT INTO t VALUES (2, x'')")
	if *syncs == 0 {
		t.Error("the first commit of a log does not sync its header")
	}
}

// TestWriteFails has the system refuse to write the log: nothing is committed, and the next transaction is.
func TestWriteFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := openLogged(t, path)
	count(t) // and puts the methods back
	write := system.write
	system.write = func(*libc.TLS, uintptr, uintptr, int32, int64) int32 { return sqliteFull }
	if _, err := db.Exec("INSERT INTO t VALUES (1, x'')"); err == nil {
		t.Error("it was committed")
	}
	system.write = write
	run(t, db, "INSERT INTO t VALUES (2, x'')")
	for name, found := range map[string]map[int]string{"it": content(t, db), "a copy": content(t, copied(t, path))} {
		if len(found) != 1 || found[2] != "" {
			t.Errorf("%s has %v, want the second", name, found)
		}
	}
}

const sqliteFull = 13

// BenchmarkCommit commits ten pages, on this file system and on the system's, without waiting for the disk.
func BenchmarkCommit(b *testing.B) {
	for name, options := range map[string]string{
		"gathered": "&_pragma=synchronous(FULL)&_pragma=checkpoint_fullfsync(ON)&vfs=" + Name,
		"system":   "&_pragma=synchronous(NORMAL)",
	} {
		b.Run(name, func(b *testing.B) {
			if err := Register(); err != nil {
				b.Fatal(err)
			}
			path := filepath.Join(b.TempDir(), "x.db")
			const pragmas = "?_pragma=journal_mode(WAL)&_pragma=wal_autocheckpoint(0)"
			db, err := sql.Open("sqlite", "file:"+path+pragmas+options)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec("CREATE TABLE t (v BLOB)"); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := db.Exec("INSERT INTO t VALUES (zeroblob(36000))"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
