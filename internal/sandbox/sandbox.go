package sandbox

import (
	"sync"
	"time"
)

// APIRate is the number of calls a minute that the API documents.
const APIRate = 500

// The demo's credentials. They are public and open nothing but a sandbox.
const (
	DemoSecretID  = "demo"
	DemoSecretKey = "not-a-secret"
	DemoAPIKey    = "demo-api-key"
)

// DemoTeam is the team of a sandbox if none is given.
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

// Team is an account: its credentials give access to its inboxes. Ids of inboxes
// and of secrets, and API keys, must be unique within a sandbox.
type Team struct {
	ID      int64
	Name    string
	Secrets []Secret
	APIKeys []string
	Inboxes []Inbox
}

// Secret is an API secret, with which tokens are signed.
type Secret struct{ ID, Key string }

// Inbox is an inbox to send from.
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

// Options configures a sandbox. The zero value works.
type Options struct {
	Teams         []Team            // nil for DemoTeam alone
	FirstID       int64             // of messages and of conversations; 0 for 500001 and 9001
	RatePerMinute int               // calls of one team in any 60 s, 0 for no limit; APIRate is the API's
	RetryAfter    time.Duration     // sent with a 429, in whole seconds; 0 for none, as documented
	MaxRecipients int               // of an opener, 0 for no limit
	Latency       time.Duration     // of every response, after the work is done
	Spread        time.Duration     // up to that much is added to Latency, depending on Seed
	Slow          time.Duration     // the same for slow@; 0 for 5 s
	Huge          int               // bytes of the response of huge@; 0 for 31 MB
	Chance        map[Fault]float64 // probability of a fault in a call, 0 to 1, at most 1 in total
	Seed          uint64            // of Chance and Spread: the same calls in the same order have the same faults
	Keep          int               // number of messages, newest first, whose requests are kept; 0 for all
	Console       string            // URL of the relay's console, named on the page at /; "" for none
	Modes         Modes
	Now           func() time.Time // nil for time.Now

	// OptedOut reports whether a contact has opted out, or bounced: every message to
	// it is answered 403. nil: nobody has.
	OptedOut func(address string) bool
}

// Modes are behaviours of the real API that are not documented.
type Modes struct {
	LocalIDMemory time.Duration // how long a local_id is remembered, 0 for ever
	Duplicate     int           // response to a repeated local_id: 0 for the first response again, or 400, 409
	ListLag       time.Duration // from the acceptance of a message until messages/all lists it
	Dead          int           // response to a reply into a conversation that is gone or moved: 0 for 400, or 403, 404
	Merge         bool          // an opener to the participants of an open conversation joins it
	MemberObjects bool          // members of inboxes are objects, not ids
	DateCursor    bool          // messages/all pages by date and ignores created_at, not the other way round
	Blocked       bool          // a conversation with a contact that has opted out is "blocked"
}

// Sandbox is the API. Its methods are safe for concurrent use.
type Sandbox struct {
	o      Options
	teams  []*team
	faults map[Fault]row

	mu            sync.Mutex // guards what follows, and the content of teams; never held while waiting
	responses     int        // given, for X-Request-Id
	stats         Stats
	messages      []*message // in the order accepted
	listed        int        // index of the first message that /sandbox/messages lists
	conversations map[int64]*conversation
	injections    []*injection
	triggered     map[string]int // faults triggered by a recipient
	calls         map[uint64]int // equal calls seen, for chance
}

// team is a Team and its usage.
type team struct {
	Team
	calls  window
	locals map[string]*message // by local_id
	first  *conversation
}

// message is an accepted message.
type message struct {
	id      int64
	team    *team
	convo   *conversation
	localID string
	date    time.Time
	body    []byte   // as received; nil if it is no longer kept
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
	if o.Huge == 0 {
		o.Huge = 31 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OptedOut == nil {
		o.OptedOut = func(string) bool { return false }
	}
	s := &Sandbox{
		o:             o,
		faults:        make(map[Fault]row),
		conversations: make(map[int64]*conversation),
		triggered:     make(map[string]int),
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

// nextMessageID is the id of the next message.
func (s *Sandbox) nextMessageID() int64 {
	return firstID(s.o.FirstID, 500_001) + int64(len(s.messages))
}

// nextConvoID is the id of the next conversation.
func (s *Sandbox) nextConvoID() int64 {
	return firstID(s.o.FirstID, 9_001) + int64(len(s.conversations))
}

func firstID(wanted, usual int64) int64 {
	if wanted == 0 {
		return usual
	}
	return wanted
}

func (t *team) inbox(id int64) (Inbox, bool) {
	for _, inbox := range t.Inboxes {
		if inbox.ID == id {
			return inbox, true
		}
	}
	return Inbox{}, false
}

// otherInbox is the inbox that a conversation is moved to.
func (t *team) otherInbox(id int64) int64 {
	for _, inbox := range t.Inboxes {
		if inbox.ID != id {
			return inbox.ID
		}
	}
	return id + 1 // an inbox of another team
}

func (i Inbox) member(id int64) bool {
	for _, m := range i.Members {
		if m.ID == id {
			return true
		}
	}
	return false
}
