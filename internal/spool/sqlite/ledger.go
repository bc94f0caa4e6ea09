package sqlite

import "heyrelay/internal/spool"

// move is a step of the ledger: n requests of a route came into a state, or left
// it where n is negative.
type move struct {
	route string
	state spool.State
	n     int64
}

// moved notes that a request of route went from one state to another.
func (w *writer) moved(route string, from, to spool.State) {
	w.moves = append(w.moves, move{route, from, -1}, move{route, to, 1})
}

// entered notes that a new request of route is in a state.
func (w *writer) entered(route string, state spool.State) {
	w.moves = append(w.moves, move{route, state, 1})
}

var sqlCount = rowsOf("INSERT INTO counter (route, state, n) VALUES", "(?, ?, ?)",
	"ON CONFLICT (route, state) DO UPDATE SET n = n + excluded.n")

// saveLedger stores a row of the ledger for each figure that a transaction changed.
func (w *writer) saveLedger() error {
	type figure struct {
		route string
		state spool.State
	}
	sums := map[figure]int64{}
	for _, m := range w.moves {
		sums[figure{m.route, m.state}] += m.n
	}
	var rows []any
	for f, n := range sums {
		if n != 0 {
			rows = append(rows, f.route, f.state, n)
		}
	}
	_, err := w.insertRows(&sqlCount, 3, rows)
	return err
}
