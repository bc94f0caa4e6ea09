package sqlite

import "heyrelay/internal/spool"

const (
	// Those that leave by the smarthost, too, and some that came later: what was received first may be accepted
	// last.
	sqlReplied = `
SELECT 1 FROM request
 WHERE auto_replied <> 0 AND team IN (?, ?) AND inbox = ? AND participants = ? AND auto_replied BETWEEN ? AND ?
 LIMIT 1 OFFSET ?`

	sqlLaneHead   = `SELECT id, route, state FROM request WHERE lane = ? AND ` + isHead
	sqlHoldOne    = `UPDATE request SET hold = ? WHERE id = ?`
	sqlHoldQueued = `UPDATE request SET hold = ? WHERE lane = ? AND ` + isQueued + ` AND hold = ''`
)

// stopLoop holds the lane of a request that is one automatic reply too many to
// its participants. It reports whether the lane was not held before.
func (w *writer) stopLoop(m *spool.Message, r *spool.Request, request, lane int64) (bool, error) {
	if !m.AutoReplied || m.Shadow != nil {
		return false, nil
	}
	var one int
	from, to := stamp(m.Accepted.Add(-spool.LoopSpan)), stamp(m.Accepted.Add(spool.LoopSpan))
	byMail := spool.SmarthostTeam(m.Route)
	args := []any{m.Team, byMail, m.Inbox, r.Participants, from, to, spool.LoopLimit}
	if over, err := w.get(sqlReplied, args, &one); !over || err != nil {
		return false, err
	}
	var head chosen
	if _, err := w.get(sqlLaneHead, []any{lane}, &head.id, &head.route, &head.state); err != nil {
		return false, err
	}
	switch head.state {
	case spool.Held: // with all that waited then
		_, err := w.exec(sqlHoldOne, spool.LoopReason, request)
		return false, err
	case spool.Ready, spool.Deferred:
		w.moved(head.route, head.state, spool.Held)
		if _, err := w.exec(sqlHoldRequest, spool.LoopReason, head.id); err != nil {
			return false, err
		}
	}
	_, err := w.exec(sqlHoldQueued, spool.LoopReason, lane)
	return true, err
}
