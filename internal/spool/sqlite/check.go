package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"heyrelay/internal/spool"
)

// contradictions are statements that find nothing in a sound spool: their rows
// name what is wrong. Each reads its tables once, however much is pending. Heads are
// found with IN, which makes SQLite read the rows and not request_head, which is
// being checked.
var contradictions = []struct{ wrong, query string }{
	{"the file is damaged", `
SELECT quick_check FROM pragma_quick_check WHERE quick_check <> 'ok'`},
	{"a row refers to one that does not exist", `
SELECT format('%s %s -> %s', "table", rowid, parent) FROM pragma_foreign_key_check`},
	{"a lane has more than one head", `
SELECT format('lane %d', lane) FROM request WHERE ` + isAnyHead + ` GROUP BY lane HAVING count(*) > 1`},
	{"a lane has queued requests and no head", `
SELECT format('lane %d', lane)
  FROM (SELECT lane FROM request WHERE ` + isQueued + ` EXCEPT SELECT lane FROM request WHERE ` + isAnyHead + `)`},
	{"a head is less urgent than what is queued behind it", `
SELECT format('request %d', h.id) FROM request h
 WHERE h.` + isAnyHead + `
   AND h.effective_priority > (SELECT min(q.effective_priority) FROM request q
                                WHERE q.lane = h.lane AND q.` + isQueued + `)`},
	{"a request and its conversation differ in team, inbox or participants", `
SELECT format('request %d', r.id)
  FROM request r JOIN conversation c ON c.id = r.conversation
 WHERE c.participants <> 'forgotten' AND r.participants <> c.participants OR r.inbox <> c.inbox
    OR r.team <> c.team AND r.team NOT LIKE 'smarthost:%'`},
	{"a convo_id stands for different participants", `
SELECT format('convo_id %d of team %s', convo_id, team) FROM conversation
 WHERE convo_id <> 0 GROUP BY team, convo_id HAVING count(DISTINCT participants) > 1`},
	{"a key stands for no conversation", `
SELECT format('key %s', hex(key)) FROM link l
 WHERE NOT EXISTS (SELECT 1 FROM conversation c WHERE c.id = l.conversation)`},
	{"an open request has no content", `
SELECT format('request %d', id) FROM request
 WHERE ` + isOpen + ` AND NOT EXISTS (SELECT 1 FROM content WHERE content.message = request.message)`},
	{"a message has no request", `
SELECT format('message %s', queue_id) FROM message
 WHERE NOT EXISTS (SELECT 1 FROM request WHERE request.message = message.id)`},
	{"two requests share a local_id", `
SELECT local_id FROM request GROUP BY local_id HAVING count(*) > 1`},
	{"attempts are not numbered from 1 to the last", `
SELECT format('request %d', r.id) FROM request r
 WHERE (SELECT count(*) FROM attempt a WHERE a.request = r.id) <> r.attempts - (r.` + isActive + `)
    OR (SELECT COALESCE(max(n), 0) FROM attempt a WHERE a.request = r.id) <> r.attempts - (r.` + isActive + `)`},
	{"an attempt under way has not begun, or decided nothing", `
SELECT format('request %d', id) FROM request WHERE ` + isActive + ` AND (began = 0 OR reply_to IS NULL)`},
	{"a request is sent into a conversation that its application named and that was not checked", `
SELECT format('request %d', id) FROM request r
 WHERE requested_convo_id <> 0 AND ` + isOpen + ` AND ` + callIsSend + `
   AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.request = r.id AND a.` + callIsCheck + ` AND a.ended <> 0)`},
	{"a request was refused or named by an attempt that it did not make", `
SELECT format('request %d', id) FROM request
 WHERE refused_attempt < 0 OR refused_attempt > attempts
    OR sends_since < 1 OR sends_since > attempts + 1
    OR trial_attempt < 1 OR trial_attempt > attempts + 1`},
	{"the ledger does not count what is there", `
SELECT format('route %s, state %d: %d counted, %d there', route, state, sum(counted), sum(there))
  FROM (SELECT route, state, n - gone AS counted, 0 AS there FROM counter
        UNION ALL SELECT route, state, 0, count(*) FROM request GROUP BY route, state)
 GROUP BY route, state HAVING sum(counted) <> sum(there)`},
	{"a blob has no attachment", `
SELECT format('object %s', key) FROM blob b WHERE NOT EXISTS (SELECT 1 FROM attachment a WHERE a.blob = b.id)`},
	{"an attachment and its blob differ in route", `
SELECT format('attachment %d', a.id) FROM attachment a JOIN blob b ON b.id = a.blob WHERE b.route <> a.route`},
	{"an object that an attachment needs is garbage", `
SELECT format('object %s', key) FROM blob JOIN garbage USING (key)`},
	{"a seq was given that its team has not reached", `
SELECT format('seq %d, team %s', max(r.seq), r.team)
  FROM request r LEFT JOIN gate g ON g.team = r.team AND g.route = '' AND g.inbox = 0
 GROUP BY r.team HAVING max(r.seq) > COALESCE(g.seq, 0)`},
}

const sqlPackedBodies = `
SELECT m.queue_id, x.raw FROM content x JOIN message m ON m.id = x.message WHERE x.subject_offset < 0`

// examples is how many rows of one contradiction are reported.
const examples = 5

// Check implements spool.Store. It reads everything at one moment: the log grows
// for as long as it takes.
func (r *Reader) Check(ctx context.Context) (err error) {
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return classify(err)
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	var found []string
	report := func(wrong string, places []string) {
		if len(places) > 0 {
			found = append(found, wrong+" ("+strings.Join(places, ", ")+")")
		}
	}
	for _, c := range contradictions {
		places, err := placesOf(ctx, tx, c.query)
		if err != nil {
			return fmt.Errorf("check whether %s: %w", c.wrong, err)
		}
		report(c.wrong, places)
	}
	places, err := damagedBodies(ctx, tx)
	if err != nil {
		return fmt.Errorf("check what is packed: %w", err)
	}
	report("a packed message is damaged", places)
	if found != nil {
		return fmt.Errorf("%w: %s", spool.ErrCorrupt, strings.Join(found, "; "))
	}
	return nil
}

func placesOf(ctx context.Context, tx *sql.Tx, query string) (places []string, err error) {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return nil, classify(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() && len(places) < examples {
		var place string
		if err := rows.Scan(&place); err != nil {
			return nil, classify(err)
		}
		places = append(places, place)
	}
	return places, classify(rows.Err())
}

// damagedBodies returns the queue ids of messages that are packed and cannot be unpacked.
func damagedBodies(ctx context.Context, tx *sql.Tx) (places []string, err error) {
	err = eachRow(ctx, tx, sqlPackedBodies, nil, func(row scanner) error {
		var queueID string
		x := body{subjectOffset: packed}
		if err := row.Scan(&queueID, &x.raw); err != nil {
			return err
		}
		if x.unpack(queueID, bodiesOnly) != nil && len(places) < examples {
			places = append(places, queueID)
		}
		return nil
	})
	return places, err
}
