package sandbox

import (
	"sync"
	"time"
)

// APIRate is the number of calls a minute that the API documents.
const APIRate = 500

// The demo's credentials. They open nothing but a sandbox.
const (
	DemoSecretID  = "demo"
	DemoSecretKey = "not-a-secret"
	DemoAPIKey    = "demo-api-key"
)

// DemoTeam is the team that a sandbox has where none is given.
func DemoTeam() Team {
	return Team{
		ID:      7,
		Name:    "Demo",
		Secrets: []Secret{{ID: DemoSecretID, Key: DemoSecretKey}},
		APIKeys: []string{DemoAPIKey},
		Inboxes: []Inbox{
			{ID: 202, Name: "Support", Members: []Member{{55, "Ada"}, {56, "Grace"}}},
			{ID: 203, Name: "Billing", Members: []Member{{55, "Ada"}}},
		},
	}
}

// Team is an account: its credentials open its inboxes. Ids of inboxes and of
// secrets, and API keys, must not repeat in a sandbox.
type Team struct {
	ID      int64
	Name    string
	Secrets []Secret
	APIKeys []string
	Inboxes []Inbox
}

// Secret is an API secret, with which tokens are signed.
type Secret struct{ ID, Key string }

// Inbox is where messages are sent from.
type Inbox struct {
	ID      int64
	Name    string
	Members []Member // who may be creator_id
}

// Member is a member of a team.
type Member struct {
	ID   int64
	Name string
}

// Options makes a sandbox. The zero value works.
type Options struct {
	Teams         []Team            // nil for DemoTeam alone
	RatePerMinute int               // calls of one team in any 60 s, 0 for no limit; APIRate is the API's
	RetryAfter    time.Duration     // told with a 429, in whole seconds; 0 for none, as documented
	MaxRecipients int               // of an opener, 0 for no limit
	Latency       time.Duration     // every answer takes that long, after the work is done
	Spread        time.Duration     // and up to that much longer, by Seed
	Slow          time.Duration     // the same for slow@; 0 for 5 s
	Chance        map[Fault]float64 // how often a call has a fault, from 0 to 1, 1 in all
	Seed          uint64            // of Chance and Spread: equal calls in equal order fare alike
	Keep          int               // of so many newest messages the request is kept, 0 for all
	Modes         Modes
	Now           func() time.Time // nil for time.Now
}

// Modes are the ways in which the real API may differ from what one would guess.
type Modes struct {
	LocalIDMemory time.Duration // how long a local_id is remembered, 0 for ever
	Duplicate     int           // what a repeated local_id is answered: 0 for the first answer again, or 400, 409
	ListLag       time.Duration // how long after it was accepted messages/all lists a message
	Dead          int           // what a reply into a conversation that is gone or moved is answered: 0 for 400, or 403, 404
	Merge         bool          // one conversation for each contact: an opener to the same participants joins the old one
	MemberObjects bool          // members of inboxes are objects, not ids
	DateCursor    bool          // messages/all pages by date and ignores created_at, not the other way about
}

// Sandbox is the API. Its methods may be called from many goroutines.
type Sandbox struct {
	o      Options
	teams  []*team
	faults map[Fault]row

	mu            sync.Mutex // guards what follows, and what is in teams; never held while waiting
	answers       int        // given, for X-Request-Id
	stats         Stats
	messages      []*message // in the order accepted
	listed        int        // the first message that /sandbox/messages lists
	conversations map[int64]*conversation
	injections    []*injection
	magic         map[string]int // calls of a fault by a recipient
	calls         map[uint64]int // equal calls seen, for chance
}

// team is a Team and what it has used.
type team struct {
	Team
	calls  window
	locals map[string]*message // by local_id
	first  *conversation
}

// message is what was accepted.
type message struct {
	id      int64
	team    *team
	convo   *conversation
	localID string
	date    time.Time
	body    []byte   // as it came; nil where it is no longer kept
	sum     [32]byte // of body
}

// conversation is a thread between an inbox and its participants.
type conversation struct {
	id           int64
	team         *team
	inbox        int64
	title        string
	participants []string // addresses
	gone         bool
}

// New returns a sandbox without messages.
func New(o Options) *Sandbox {
	if o.Teams == nil {
		o.Teams = []Team{DemoTeam()}
	}
	if o.Slow == 0 {
		o.Slow = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Sandbox{
		o:             o,
		faults:        make(map[Fault]row),
		conversations: make(map[int64]*conversation),
		magic:         make(map[string]int),
		calls:         make(map[uint64]int),
	}
	for _, r := range table() {
		s.faults[r.fault] = r
	}
	for _, t := range o.Teams {
		s.teams = append(s.teams, &team{Team: t, locals: make(map[string]*message)})
	}
	return s
}

func (t *team) inbox(id int64) (Inbox, bool) {
	for _, inbox := range t.Inboxes {
		if inbox.ID == id {
			return inbox, true
		}
	}
	return Inbox{}, false
}

// otherInbox is where a conversation is moved to.
func (t *team) otherInbox(id int64) int64 {
	for _, inbox := range t.Inboxes {
		if inbox.ID != id {
			return inbox.ID
		}
	}
	return id + 1 // of nobody that the team knows
}

func (i Inbox) member(id int64) bool {
	for _, m := range i.Members {
		if m.ID == id {
			return true
		}
	}
	return false
}
