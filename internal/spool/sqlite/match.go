package sqlite

import (
	"slices"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// candidate is what a filter is compared with.
type candidate struct {
	state      spool.State // as it is shown
	at         spool.Destination
	accepted   time.Time
	title      string
	localID    string
	messageIDs string // separated by spaces
	convoID    int64
	recipients recipients
}

func (e *entry) candidate(messageIDs string) candidate {
	return candidate{e.state, e.at, e.Accepted, e.Title, e.LocalID, messageIDs, e.ConvoID, e.recipients}
}

// matches reports whether a filter chooses a request, apart from its queue id.
func matches(f *spool.Filter, c candidate) bool {
	return (len(f.States) == 0 || slices.Contains(f.States, c.state)) &&
		(f.Route == "" || f.Route == c.at.Route) &&
		(f.Team == "" || f.Team == c.at.Team) &&
		(f.Recipient == "" || c.recipients.include(f.Recipient)) &&
		(f.MessageID == "" || slices.Contains(strings.Fields(c.messageIDs), plainID(f.MessageID))) &&
		(f.LocalID == "" || strings.EqualFold(f.LocalID, c.localID)) &&
		(f.ConvoID == 0 || f.ConvoID == c.convoID) &&
		inWindow(f, c.accepted) && hasSubject(f, c.title)
}

func inWindow(f *spool.Filter, accepted time.Time) bool {
	return (f.Since.IsZero() || !accepted.Before(f.Since)) && (f.Before.IsZero() || accepted.Before(f.Before))
}

func hasSubject(f *spool.Filter, title string) bool {
	return f.Subject == "" || strings.Contains(fold(title), fold(f.Subject))
}
