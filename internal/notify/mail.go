package notify

import (
	"context"

	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
)

// Mailer sends reports through a smarthost. Its fields must not be changed once in
// use.
type Mailer struct {
	Reporter
	Server *smarthost.Server
}

// send sends the report of a notice and returns the server's reply. Where no report
// is due it does nothing.
func (m *Mailer) send(ctx context.Context, n spool.Notice) (reply string, err error) {
	if _, ok := m.due(n); !ok {
		return "", nil
	}
	session, err := m.Server.Connect(ctx)
	if err != nil {
		return "", err
	}
	defer session.Close()
	report, _ := m.Write(n, session.Offers)
	return session.Send(report)
}
