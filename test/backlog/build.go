package backlog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	_ "modernc.org/sqlite" // driver

	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

// Spool describes a spool in which very much waits.
type Spool struct {
	Waiting  int            // requests
	IDs      int            // of messages, stored for conversations; one for each request at least
	Team     string         // of all requests
	Route    string         // of all requests that are not held, "" for 2,000 in turn
	Priority spool.Priority // of all requests
}

const routes = 2000 // route-0000 and so on

// fill makes pending requests: a twentieth behind a held route, a tenth in lanes of a
// hundred, a hundredth deferred, the rest ready, over all routes.
var fill = []string{
	`
CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :waiting)
SELECT i, iif(i <= :waiting / 20, 'held', iif(:route <> '', :route, format('route-%04d', i % :routes))) AS route,
       iif(i % 10 = 0, (i - 1) / 1000 * 1000 + 1, i) AS lane FROM n`, `
INSERT INTO message (id, queue_id, accepted, client, sender, route, team, inbox, title,
                     fingerprint, weak_fingerprint, envelope_id, return, reports_after, shadow, refusal)
SELECT i, format('Q%015d', i), :now, '127.0.0.1', 'app@example.com', route, :team, 202, 'Hello',
       randomblob(32), 0, '', '', 0, '', '' FROM n`, `
INSERT INTO content (message, html, subject_offset, text, raw)
SELECT i, hex(randomblob(250)), 0, hex(randomblob(250)), randomblob(1000) FROM n`, `
INSERT INTO conversation (id, team, inbox, participants, convo_id, title, base_subject, last_used)
SELECT lane, :team, 202, format('u%d@example.com', lane), 0, 'Hello', 'hello', :now FROM n WHERE lane = i`, `
INSERT INTO link (key, conversation, owner)
WITH RECURSIVE copy (c) AS (SELECT 1 UNION ALL SELECT c + 1 FROM copy WHERE c < :ids / :waiting)
SELECT randomblob(16) AS k, lane, i FROM n, copy ORDER BY k`, `
INSERT INTO request (id, message, conversation, joined, lane, local_id, recipients, participants, team, inbox, route,
                     priority, effective_priority, subject_line, dsn, auto_replied, lookup_name, state, seq, due)
SELECT i, i, lane, lane <> i, lane, format('L%d', i), json_object('to', json_array(format('u%d@example.com', lane))),
       format('u%d@example.com', lane), :team, 202, route, :priority, :priority, 0, '', 0, '',
       iif(lane <> i, 0, iif(i % 100 = 7, 2, 1)), i, iif(i % 100 = 7 AND lane = i, :now + 600000000000, 0) FROM n`, `
INSERT INTO term (key, message) SELECT random() AS k, i FROM n ORDER BY k`, `
INSERT INTO term (key, message) SELECT random() AS k, i FROM n ORDER BY k`, `
UPDATE terms_of SET message = (SELECT max(id) FROM message)`, `
INSERT INTO counter (route, state, n, gone) SELECT route, state, count(*), 0 FROM request GROUP BY route, state`, `
INSERT INTO gate (team, route, held, reason, seq)
VALUES (:team, 'held', :now, 'a try', 0), (:team, '', 0, '', :waiting)`,
}

// Build makes a spool in a new file.
func Build(ctx context.Context, path string, s Spool) error {
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("%s: %w", path, os.ErrExist)
	}
	store, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	err = store.Close()
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	return errors.Join(s.fill(ctx, db), db.Close())
}

func (s Spool) fill(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, "PRAGMA synchronous = OFF; PRAGMA cache_size = -400000"); err != nil {
		return err
	}
	values := map[string]any{
		"waiting":  s.Waiting,
		"ids":      max(s.IDs, s.Waiting),
		"team":     s.Team,
		"route":    s.Route,
		"priority": int(s.Priority),
		"routes":   routes,
		"now":      time.Now().UnixNano(),
	}
	for _, query := range fill {
		var args []any
		for name, value := range values {
			if strings.Contains(query, ":"+name) {
				args = append(args, sql.Named(name, value))
			}
		}
		if _, err := db.ExecContext(ctx, query, args...); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
	}
	return nil
}
