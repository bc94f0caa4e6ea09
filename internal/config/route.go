package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"heyrelay/internal/strictyaml"
)

// Route is the team, inbox and creator that a message uses, and how the message is
// converted to requests.
type Route struct {
	// The number of the inbox to send from. "heyrelay inboxes" lists them.
	Inbox int64 `yaml:"inbox" start:"202" range:"1.." required:"give the number of the inbox (see heyrelay inboxes)"`

	// The number of the inbox member who is the sender.
	CreatorID int64 `yaml:"creator_id" start:"55" range:"1.." required:"give a member of the inbox (see heyrelay inboxes)"`

	// The route's name in logs, lists and metrics. Pending mail belongs to it: when a
	// route's inbox or name changes, "heyrelay queue retry --from-route OLD --route NEW"
	// moves what is pending. Default: inbox- and the inbox number; for further routes of
	// an inbox with -2, -3 and so on.
	Name string `yaml:"name" example:"support"`

	// The messages that use this route. A message must match every key given; without
	// any, all messages match.
	Match Match `yaml:"match"`

	// The team, by its name under teams. Default: the only one.
	Team string `yaml:"team" example:"shop"`

	// The order in which queued messages are sent.
	Priority string `yaml:"priority" default:"normal" oneof:"high|normal|bulk"`

	// How long a request of this route is retried before it fails, where that is less than
	// delivery.expire: a code to log in is useless after an hour. Default: delivery.expire.
	Expire strictyaml.Duration `yaml:"expire" example:"1h" range:"1m..1y"`

	// Lowers normal to bulk for messages that identify themselves as bulk mail, by
	// Precedence: bulk, list or junk, or by List-Unsubscribe. high is not lowered.
	BulkHeaders bool `yaml:"bulk_headers" default:"false"`

	// When the client gets its reply: once the message is stored, or once the API has
	// accepted or rejected it. With sent, permanent failures are answered 554, and the 250
	// contains Heymarket's ids. If the result is not known within answer_timeout, or
	// nothing can be sent at the moment, the reply is 250 all the same.
	AnswerAfter string `yaml:"answer_after" default:"queued" oneof:"queued|sent"`

	// How long a client waits for that reply. Most applications wait for minutes
	// (RFC 5321, section 4.5.3.2.6), interactive ones do not.
	AnswerTimeout strictyaml.Duration `yaml:"answer_timeout" default:"15s" range:"1s..5m"`

	// Where recipients are taken from: the envelope, or, for applications that send
	// everything to one relay_mailbox, the To, Cc and Bcc header fields.
	Recipients string `yaml:"recipients" default:"envelope" oneof:"envelope|headers"`

	// The envelope recipient of such applications. Nothing is sent to it.
	RelayMailbox string `yaml:"relay_mailbox" example:"relay@example.com"`

	// Recipients that no header field names: each gets a message and a conversation of
	// its own, or the message is rejected (550 5.7.1).
	BCC string `yaml:"bcc" default:"separate" oneof:"separate|reject"`

	// Attachments, which the API does not support. reject: the message is rejected (554
	// 5.6.0). link: they are stored, and the body has a link to each (see blobs).
	// smarthost: the message is sent unchanged by the route's smarthost. drop: they are
	// removed, and a line in the body names them.
	Attachments string `yaml:"attachments" default:"reject" oneof:"reject|link|smarthost|drop"`

	// The mail server that delivers messages with attachments, with attachments: smarthost.
	Smarthost NextHop `yaml:"smarthost"`

	// Images within HTML. embed: as data: URIs (32KB per image, 128KB in total), which
	// Gmail and Outlook do not display. link: they are stored, and loaded from there (see
	// blobs). drop: they are replaced by their alternative text.
	InlineImages string `yaml:"inline_images" default:"embed" oneof:"embed|link|drop"`

	// With attachments: link, parts that are also linked as files although the body shows
	// them: calendars and forwarded messages.
	LinkAlso []string `yaml:"link_also" example:"[calendar]" oneof:"calendar|message"`

	// How the bodies list the links; docs/attachments.md explains the templates.
	LinkBlock LinkBlock `yaml:"link_block"`

	// When the body of a reply begins with its Subject, which the API does not support:
	// if it differs from the conversation's, always, or never.
	ReplySubject string `yaml:"reply_subject" default:"changed" oneof:"changed|always|never"`

	// Whether a reply to an earlier message joins its conversation.
	Join string `yaml:"join" default:"always" oneof:"always|never"`

	// Whether the application's X-Heymarket-Convo-Id, -Title, -Idempotency-Key,
	// -Priority and -New-Conversation header fields are used; otherwise they are
	// ignored. For trusted clients only: a convo id decides who receives the message.
	TrustHeaders bool `yaml:"trust_headers" default:"false"`

	// A regular expression (RE2) with one group. Messages for which the group matches
	// the same text in the Subject share a conversation, even if no header connects
	// them.
	ThreadBySubject Regexp `yaml:"thread_by_subject" example:"'\\[#(\\d+)\\]'"`

	// The inbox's own addresses. They are omitted if other recipients remain.
	OwnAddresses Patterns `yaml:"own_addresses" example:"[support@example.com]"`

	// The only recipients allowed, for a staging system; a message to any other is
	// rejected (550 5.7.1).
	OnlyRecipients Patterns `yaml:"only_recipients" example:"[\"*@test.example\"]"`

	// Passes the mail of this route on to the current mail server, to compare before
	// switching. Clients get its replies. Nothing is sent to Heymarket; "heyrelay queue
	// list --state shadowed" lists what would have been sent.
	Shadow NextHop `yaml:"shadow"`
}

// Match selects the messages that use a route. A key with several values matches
// if one of them does.
type Match struct {
	// The user as which the client logged in.
	User []string `yaml:"user" example:"[redmine]"`

	// Networks and addresses of the client. A client on a unix socket has none.
	Client Networks `yaml:"client" example:"[10.0.0.0/8]"`

	// The envelope sender; * matches any text, <> the null sender of bounces.
	Sender Patterns `yaml:"sender" example:"[\"*@example.com\"]"`

	// The address in the From header field.
	From Patterns `yaml:"from" example:"[support@example.com]"`
}

// completeRoutes sets the names of routes, and their teams if there is only one.
func (c *Config) completeRoutes() {
	taken := map[string]bool{}
	for _, r := range c.Routes {
		taken[r.Name] = true
	}
	for i := range c.Routes {
		r := &c.Routes[i]
		if r.Name == "" {
			r.Name = freeName("inbox-"+strconv.FormatInt(r.Inbox, 10), taken)
		}
		if r.Team == "" && len(c.Teams) == 1 {
			for name := range c.Teams {
				r.Team = name
			}
		}
	}
}

// freeName returns name, or name-2, name-3 and so on if it is taken, and marks it as
// taken.
func freeName(name string, taken map[string]bool) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	taken[free] = true
	return free
}

func (l *loader) validateRoutes() {
	named := map[string]int{}
	for i, r := range l.config.Routes {
		path := fmt.Sprintf("routes[%d]", i)
		if l.doc.Given(path+".name") && !l.doc.Rejected(path+".name") {
			l.validateName(path+".name", "route", r.Name)
		}
		if first, ok := named[r.Name]; ok && !l.doc.Rejected(path+".inbox") {
			l.doc.Reject(path+".name", fmt.Sprintf("routes[%d] already has the name %s", first, r.Name), "choose another name")
		} else {
			named[r.Name] = i
		}
		l.validateTeam(path+".team", r)
		l.validateMatch(path+".match", r)
		l.validateRecipients(path, r)
		l.validateExpire(path+".expire", r)
		l.validateLinkBlock(path+".link_block", r)
		l.validateSmarthost(path, r)
		l.validateNextHop(path+".shadow", r.Shadow, "delivers the mail at present")
		l.validateShadowMatch(path+".shadow", i)
	}
}

// validateTeam checks that a route has a team that exists.
func (l *loader) validateTeam(path string, r Route) {
	names := slices.Sorted(maps.Keys(l.config.Teams))
	list := strings.Join(names, ", ")
	_, exists := l.config.Teams[r.Team]
	switch {
	case exists || len(names) == 0:
	case r.Team == "":
		l.doc.Reject(path, "route "+r.Name+" has no team", "choose one of "+list)
	default:
		advice := "known teams are " + list
		if near := strictyaml.Nearest(r.Team, names); near != "" {
			advice = "did you mean " + near + "?"
		}
		l.doc.Reject(path, fmt.Sprintf("route %s has the unknown team %q", r.Name, r.Team), advice)
	}
}

// validateMatch checks that a route's users exist.
func (l *loader) validateMatch(path string, r Route) {
	if l.doc.Rejected("users_file") {
		return
	}
	var names []string
	for _, u := range l.config.AllUsers() {
		names = append(names, u.Name)
	}
	for i, name := range r.Match.User {
		if slices.Contains(names, name) {
			continue
		}
		advice := "add it to users"
		if near := strictyaml.Nearest(name, names); near != "" {
			advice = "did you mean " + near + "?"
		}
		l.doc.Reject(fmt.Sprintf("%s.user[%d]", path, i), fmt.Sprintf("unknown user %q", name), advice)
	}
}

// validateRecipients checks the keys that recipients: headers needs.
func (l *loader) validateRecipients(path string, r Route) {
	path += ".relay_mailbox"
	given := l.doc.Given(path)
	headers := r.Recipients == RecipientsHeaders
	switch {
	case headers && !given:
		l.doc.Reject(path, "route "+r.Name+" takes recipients from headers but has no relay_mailbox",
			"write the address that the application uses as its envelope recipient")
	case !headers && given:
		l.doc.Reject(path, "relay_mailbox has no effect on route "+r.Name,
			"write recipients: headers, or remove relay_mailbox")
	case headers && !isMailbox(r.RelayMailbox):
		l.doc.Reject(path, fmt.Sprintf("relay_mailbox cannot be %q", r.RelayMailbox),
			"write one address, such as relay@example.com")
	}
}

// validateExpire checks that a route retries no longer than delivery says.
func (l *loader) validateExpire(path string, r Route) {
	if r.Expire > l.config.Delivery.Expire {
		l.doc.Reject(path, l.doc.Key(path)+" is longer than delivery.expire", "shorten it, or lengthen delivery.expire")
	}
}

// isMailbox reports whether s looks like a bare address.
func isMailbox(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && isHostname(domain) && !strings.ContainsAny(local, " \t<>,;:\"()[]\\*")
}
