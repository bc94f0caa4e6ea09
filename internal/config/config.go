// Package config holds what an operator decides.
//
// The structs of this file are the configuration and its documentation at once:
// a key is named by its yaml tag, explained by its comment, and its default,
// choices and range stand in tags beside it. [Example] prints them as a file to
// start from.
//
// A configuration comes from one file ([Load], [Parse]) or from the environment
// alone ([FromEnvironment]); both become one tree of keys, and that tree becomes
// a [Config] or a list of everything that is wrong with it. A Config that was
// returned without an error is complete: defaults are filled in, secrets are
// read, names are unique, and each route has its team.
//
// The tags:
//
//	yaml      the key
//	default   the value where the key is not given
//	oneof     the choices, separated by |
//	range     smallest..largest value, either may be absent
//	required  what to do where the key is not given; it has to be
//	start     the value shown in the example's smallest working part (YAML)
//	example   the value shown in the example, for a key without a default (YAML)
package config

// Config is all that an operator decides. It is not changed after it was loaded.
type Config struct {
	// The name under which this host greets its clients (RFC 5321, section 4.2).
	// Default: the machine's own name.
	Hostname string `yaml:"hostname" example:"relay.example.com"`

	// Where applications connect. Default: one listener on 127.0.0.1:2525, for
	// this machine alone.
	Listeners []Listener `yaml:"listeners"`

	// The certificate for listeners with tls. "heyrelay cert" makes one to begin with.
	TLS TLS `yaml:"tls"`

	// Who may send from everywhere, with a name and a password. AUTH is offered where
	// there are users and nobody can listen: with TLS, or on this machine.
	Users []User `yaml:"users"`

	// A file with more of them, as htpasswd -B makes it: NAME:HASH, one a line. A
	// relative name begins in the folder of this file. It is read once, at the start.
	UsersFile string `yaml:"users_file" example:"htpasswd"`

	// How much one client, and all of them together, may ask for.
	Limits Limits `yaml:"limits"`

	// What becomes of a CR or LF that stands alone within a message: it is made a
	// proper line end, or the message is refused. It is never passed on.
	BareLF string `yaml:"bare_lf" default:"repair" oneof:"repair|refuse"`

	// Heymarket's API.
	Heymarket Heymarket `yaml:"heymarket"`

	// Heymarket teams, each under a name of your own, with its secrets and its
	// share of calls.
	Teams map[string]Team `yaml:"teams" start:"shop" required:"add a team with its secrets"`

	// Which inbox a message leaves from. The first route that matches is taken; a
	// message that no route matches is refused (550 5.7.1).
	Routes []Route `yaml:"routes" required:"add a route with its inbox and creator_id"`

	// How stubbornly requests are tried.
	Delivery Delivery `yaml:"delivery"`

	// Where messages wait.
	Spool Spool `yaml:"spool"`

	// What is kept of messages that have ended, and for how long.
	Retention Retention `yaml:"retention"`

	// Reports to the senders of what failed. Without a smarthost a failure stands in
	// the log and the lists (heyrelay queue list) alone.
	Bounces Bounces `yaml:"bounces"`

	// A webhook for the operator's own programs.
	Events Events `yaml:"events"`

	// What is written to standard error.
	Log Log `yaml:"log"`

	fileUsers []User
	warnings  []string
}

// Listener is one address at which applications connect.
type Listener struct {
	// host:port, or unix:/path for a socket, which everyone may use who may enter its
	// folder, or systemd:name for a socket that systemd has opened, by its
	// FileDescriptorName. No host (":2525") means all addresses of this machine.
	Address string `yaml:"address" default:"127.0.0.1:2525"`

	// Whether connections are encrypted: never, when the client asks for it
	// (STARTTLS, commonly on port 587), or from the beginning (commonly on port 465).
	TLS string `yaml:"tls" default:"none" oneof:"none|starttls|implicit"`

	// Networks and addresses that are served without a password; everybody else is
	// turned away, or is one of the users.
	// Default: this machine on a loopback address, otherwise nobody.
	Allow Networks `yaml:"allow" example:"[127.0.0.0/8, \"::1/128\"]"`
}

// TLS is what listeners with tls show their clients.
type TLS struct {
	// A PEM file with the certificate, followed by those that lead from it to its
	// authority. A relative name begins in the folder of this file. It is read again
	// when it changes.
	Certificate string `yaml:"certificate" example:"cert.pem"`

	// A PEM file with the certificate's key, which only this service should be able
	// to read. It is read again when it changes.
	Key string `yaml:"key" example:"key.pem"`

	// The oldest version that clients may speak. 1.0 and 1.1 are for museum pieces:
	// they are broken, and they bring old ciphers with them.
	MinVersion string `yaml:"min_version" default:"1.2" oneof:"1.0|1.1|1.2|1.3"`
}

// User is who may send with a password.
type User struct {
	// What the application gives as its user name.
	Name string `yaml:"name" example:"redmine" required:"give the user's name"`

	// The password's argon2id or bcrypt hash. "heyrelay passwd" makes it.
	PasswordHash PasswordHash `yaml:"password_hash" example:"\"$2y$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui\"" required:"make it with heyrelay passwd"`

	// The envelope senders that the user may use; * stands for anything, <> for the
	// sender of bounces. Default: any.
	Senders Patterns `yaml:"senders" example:"[\"*@example.com\"]"`
}

// Limits bounds what clients may ask for.
type Limits struct {
	// The largest message, as offered in SIZE (RFC 1870).
	MessageSize Size `yaml:"message_size" default:"25MB" range:"64KB..1GB"`

	// Recipients of one message (RFC 5321, section 4.5.3.1.8, wants at least 100).
	Recipients int `yaml:"recipients" default:"100" range:"1..10000"`

	// Open connections, in all.
	Connections int `yaml:"connections" default:"1000" range:"1..100000"`

	// Open connections from one address.
	ConnectionsPerAddress int `yaml:"connections_per_address" default:"250" range:"1..100000"`

	// How long a new client may take to say EHLO or HELO.
	Greeting Duration `yaml:"greeting" default:"1m" range:"1s..1h"`

	// How long a client may be silent between commands (RFC 5321, section
	// 4.5.3.2.7, wants at least 5m).
	Command Duration `yaml:"command" default:"5m" range:"1s..1h"`

	// How long a client may be silent within a message.
	DataIdle Duration `yaml:"data_idle" default:"5m" range:"1s..1h"`

	// How long one message may take to arrive.
	DataTotal Duration `yaml:"data_total" default:"30m" range:"1s..1d"`

	// How long a client may take to read a reply.
	Reply Duration `yaml:"reply" default:"1m" range:"1s..1h"`

	// Messages of one user, or of one address without a user, within a minute that
	// begins with the first; more are put off (452 4.7.1). 0: no limit.
	MessagesPerMinute int `yaml:"messages_per_minute" default:"0" range:"0..1000000"`

	// Recipients, likewise.
	RecipientsPerMinute int `yaml:"recipients_per_minute" default:"0" range:"0..1000000"`

	// Commands of one connection that may be refused before it is closed (421 4.7.0).
	Errors int `yaml:"errors" default:"100" range:"1..10000"`

	// Failed logins of one address within auth_ban, after which it is refused until
	// auth_ban is over; of one user from all addresses, ten times that.
	AuthFailures int `yaml:"auth_failures" default:"10" range:"1..10000"`

	// The time in which failed logins are counted, from the first of them.
	AuthBan Duration `yaml:"auth_ban" default:"15m" range:"1m..1d"`

	// Bytes of messages that may be in memory at once, all clients together; at
	// least twice message_size. Whoever exceeds it is asked to try again later (452 4.3.1).
	InFlight Size `yaml:"in_flight" default:"256MB" range:"1MB..1TB"`
}

// Heymarket says where the API is.
type Heymarket struct {
	// https; http only to this machine. Redirects are never followed.
	BaseURL string `yaml:"base_url" default:"https://api.heymarket.com"`

	// How long one call may take.
	Timeout Duration `yaml:"timeout" default:"30s" range:"1s..5m"`
}

// Team is a Heymarket team: its secrets and its budget. It has either Secrets or
// an APIKey.
type Team struct {
	// API secrets, up to two, tried in order, so that one can be replaced while
	// the other works.
	Secrets []APISecret `yaml:"secrets"`

	// The team's API key, which Heymarket is going to give up; instead of secrets.
	APIKey Secret `yaml:"api_key" example:"/run/secrets/heymarket_api_key"`

	// Calls of all kinds that may begin within a minute. Heymarket allows 500.
	Rate Rate `yaml:"rate" default:"500/min" range:"1/min..6000000/min"`

	// Calls under way at once.
	Concurrency int `yaml:"concurrency" default:"32" range:"1..1000"`

	// Visible recipients (To and Cc) of one message; more are refused (554 5.5.3).
	// Heymarket's web application takes 10, and does not say what its API takes.
	MaxTargets int `yaml:"max_targets" default:"10" range:"1..1000"`

	// HTML and plain body together; more is refused (552 5.3.4).
	MaxBody Size `yaml:"max_body" default:"1MB" range:"1KB..1GB"`

	// What a message has become that Heymarket took and says that it did not queue,
	// without saying why: it is flagged, for a person to look at, or it has failed and
	// its sender is told. It is never sent again by itself.
	QueuedFalse string `yaml:"queued_false" default:"flag" oneof:"flag|fail"`
}

// APISecret is an API secret of a team: its Secret ID and its Secret Key.
type APISecret struct {
	// The Secret ID.
	ID string `yaml:"id" start:"74f80a77" required:"give the Secret ID"`

	// The Secret Key: a file that holds it and nothing else, which only this
	// service should be able to read; a relative name begins in the folder of this
	// file. Or an environment variable.
	Key Secret `yaml:"key" start:"/run/secrets/heymarket_key" required:"name the file that holds the Secret Key"`
}

// Route says which team, inbox and creator a message uses, and how it is made
// into requests.
type Route struct {
	// The number of the inbox to send from. "heyrelay inboxes" lists them.
	Inbox int64 `yaml:"inbox" start:"202" range:"1.." required:"give the number of the inbox to send from (heyrelay inboxes lists them)"`

	// The number of the member of that inbox who is the sender.
	CreatorID int64 `yaml:"creator_id" start:"55" range:"1.." required:"give the number of the inbox's member who sends (heyrelay inboxes lists them)"`

	// What logs, lists and metrics call it. Default: inbox- and the inbox's number.
	Name string `yaml:"name" example:"support"`

	// Which messages take this route. Every key given must match; without any, all
	// messages do.
	Match Match `yaml:"match"`

	// The team, by its name under teams. Default: the only one.
	Team string `yaml:"team" example:"shop"`

	// What goes first when much is waiting.
	Priority string `yaml:"priority" default:"normal" oneof:"high|normal|bulk"`

	// Whether normal becomes bulk for messages that say themselves that they are:
	// Precedence: bulk, list or junk, or List-Unsubscribe. high stays high.
	BulkHeaders bool `yaml:"bulk_headers" default:"false"`

	// When a message is answered: once it is stored, or once the API has taken or
	// refused it. Then the application learns by 554 what failed for good, and its 250
	// tells Heymarket's ids; what is not known within answer_timeout, or cannot be sent
	// now, is answered 250 all the same.
	AnswerAfter string `yaml:"answer_after" default:"queued" oneof:"queued|sent"`

	// How long a client waits for that answer. Applications commonly wait for minutes
	// (RFC 5321, section 4.5.3.2.6), but those that people sit before do not.
	AnswerTimeout Duration `yaml:"answer_timeout" default:"15s" range:"1s..5m"`

	// Whom a message is for: the recipients of its envelope, or, for applications
	// that send everything to one relay_mailbox, those of To, Cc and Bcc.
	Recipients string `yaml:"recipients" default:"envelope" oneof:"envelope|headers"`

	// The envelope address of such applications. It is never sent to.
	RelayMailbox string `yaml:"relay_mailbox" example:"relay@example.com"`

	// What becomes of recipients that no header names: each gets a message and a
	// conversation of its own, or the message is refused (550 5.7.1).
	BCC string `yaml:"bcc" default:"separate" oneof:"separate|reject"`

	// What becomes of attachments, for which the API has no place: the message is
	// refused (554 5.6.0), or they are dropped and a line in the body says so.
	Attachments string `yaml:"attachments" default:"reject" oneof:"reject|drop"`

	// What becomes of images within HTML: data: URIs (32KB an image, 128KB in all),
	// which Gmail and Outlook do not show, or their alternative text.
	InlineImages string `yaml:"inline_images" default:"embed" oneof:"embed|drop"`

	// When the body of a reply begins with its Subject, for which the API has no
	// place: where it is not that of the conversation, always, or never.
	ReplySubject string `yaml:"reply_subject" default:"changed" oneof:"changed|always|never"`

	// Whether a reply to an earlier message joins its conversation.
	Join string `yaml:"join" default:"always" oneof:"always|never"`

	// Whether the application's X-Heymarket-Convo-Id, -Title, -Idempotency-Key,
	// -Priority and -New-Conversation headers are obeyed. Only for clients that you
	// trust: a convo id chooses who gets the message. Otherwise they are ignored.
	TrustHeaders bool `yaml:"trust_headers" default:"false"`

	// A regular expression (RE2) with one group. What the group finds in the
	// Subject ties messages together that no header does.
	ThreadBySubject Regexp `yaml:"thread_by_subject" example:"'\\[#(\\d+)\\]'"`

	// The inbox's own addresses, left out where others remain.
	OwnAddresses Patterns `yaml:"own_addresses" example:"[support@example.com]"`

	// The only recipients that are sent to, for a staging system; a message to any
	// other is refused (550 5.7.1).
	OnlyRecipients Patterns `yaml:"only_recipients" example:"[\"*@test.example\"]"`
}

// Match says which messages take a route. A key with several values matches
// where one of them does.
type Match struct {
	// The user whose name and password the client gave.
	User []string `yaml:"user" example:"[redmine]"`

	// Networks and addresses of the client. A client on a unix socket has none.
	Client Networks `yaml:"client" example:"[10.0.0.0/8]"`

	// The envelope sender; * stands for anything, <> for the sender of bounces.
	Sender Patterns `yaml:"sender" example:"[\"*@example.com\"]"`

	// The address in the From header field.
	From Patterns `yaml:"from" example:"[support@example.com]"`
}

// Delivery says how requests are tried.
type Delivery struct {
	// How long a request is tried, from its first attempt, before it fails.
	Expire Duration `yaml:"expire" default:"5d" range:"1m..1y"`

	// The pause after the first failed attempt. It doubles with each.
	RetryInitial Duration `yaml:"retry_initial" default:"1s" range:"100ms..1h"`

	// The longest pause between attempts.
	RetryMax Duration `yaml:"retry_max" default:"1h" range:"1s..1d"`

	// How long a message that keeps failing holds up those behind it in its
	// conversation, where others are sent.
	LanePatience Duration `yaml:"lane_patience" default:"15m" range:"1s..30d"`

	// How long a route or a team is held at the most, when its probes fail.
	HoldMax Duration `yaml:"hold_max" default:"14d" range:"1m..1y"`

	// How long the API is trusted to know a local_id. A call whose outcome has been
	// unknown for longer is looked up before it is tried again.
	LocalIDMemory Duration `yaml:"local_id_memory" default:"1h" range:"1m..30d"`

	// How long a message is remembered, so that the application's own retry of it
	// is not sent again. Messages without a Message-ID or with a wrong Date are
	// remembered for 10m at most. 0 turns it off.
	Dedupe Duration `yaml:"dedupe" default:"5d" range:"0..30d"`
}

// Spool says where messages wait.
type Spool struct {
	// sqlite: and the path of the database. A relative path is relative to the
	// working directory.
	URL string `yaml:"url" default:"sqlite:heyrelay.db"`

	// Space to leave on the spool's disk. With less, mail is put off (452 4.3.1).
	MinFree Size `yaml:"min_free" default:"256MB"`
}

// Retention says what is kept of messages that have ended. It goes in small steps.
type Retention struct {
	// Bodies and source of sent messages.
	Content Duration `yaml:"content" default:"24h" range:"0..10y"`

	// What happened to sent messages.
	Sent Duration `yaml:"sent" default:"30d" range:"1h..10y"`

	// Failed and dropped messages, whole, so that they can be sent after all.
	Failed Duration `yaml:"failed" default:"30d" range:"1h..10y"`

	// The ids of a conversation after its last message: a later reply opens anew.
	Threads Duration `yaml:"threads" default:"1y" range:"1d..10y"`
}

// Bounces says how senders are told that their mail failed (RFC 3464). It is told
// where there is a Smarthost.
type Bounces struct {
	// The mail server that takes the reports: smtp://host:port, encrypted where it
	// offers STARTTLS, or smtps://host:port, encrypted from the beginning. Not a
	// listener of heyrelay itself.
	Smarthost string `yaml:"smarthost" example:"smtp://127.0.0.1:25"`

	// The name to log in with, where the server wants one. It is given away under
	// TLS alone, unless the server is on this machine.
	User string `yaml:"user" example:"heyrelay"`

	// The password of that user.
	Password Secret `yaml:"password" example:"/run/secrets/smarthost_password"`

	// The address that reports come from. Default: mailer-daemon@ and the hostname.
	From string `yaml:"from" example:"mailer-daemon@relay.example.com"`

	// How long a message waits until a sender who asked for it (NOTIFY=DELAY) is told
	// so.
	Delay Duration `yaml:"delay" default:"4h" range:"1m..30d"`
}

// Events says which events are posted to the operator, signed as the Standard
// Webhooks specification says. They are where there is a URL.
type Events struct {
	// https; http only to this machine. Redirects are not followed.
	URL string `yaml:"url" example:"https://ops.example.com/heyrelay"`

	// What the calls are signed with: whsec_ and 24 to 64 random bytes in base64.
	// echo "whsec_$(openssl rand -base64 32)" makes one.
	Secret Secret `yaml:"secret" example:"/run/secrets/heyrelay_events"`

	// What is posted: requests that failed or were flagged, routes and teams that are
	// held or released, and too many or too old ones waiting. Default: all.
	Kinds []string `yaml:"kinds" example:"[failed, held]" oneof:"failed|flagged|held|released|backlog|oldest"`

	// The number of waiting requests over which a backlog is an event. 0: none is.
	Backlog int `yaml:"backlog" default:"10000" range:"0..1000000000"`

	// The age of the oldest waiting request over which it is an event. 0: it never is.
	Oldest Duration `yaml:"oldest" default:"1h" range:"0..30d"`
}

// Log says what is logged.
type Log struct {
	// Lines for people or for programs.
	Format string `yaml:"format" default:"text" oneof:"text|json"`

	// The least important lines that are written.
	Level string `yaml:"level" default:"info" oneof:"debug|info|warn|error"`
}

// The choices that a key offers.
const (
	BareLFRepair = "repair"
	BareLFRefuse = "refuse"

	TLSNone     = "none"
	TLSStart    = "starttls"
	TLSImplicit = "implicit"

	PriorityHigh   = "high"
	PriorityNormal = "normal"
	PriorityBulk   = "bulk"

	AnswerQueued = "queued"
	AnswerSent   = "sent"

	QueuedFalseFlag = "flag"
	QueuedFalseFail = "fail"

	RecipientsEnvelope = "envelope"
	RecipientsHeaders  = "headers"

	BCCSeparate = "separate"
	BCCReject   = "reject"

	AttachmentsReject = "reject"
	AttachmentsDrop   = "drop"

	ImagesEmbed = "embed"
	ImagesDrop  = "drop"

	SubjectChanged = "changed"
	SubjectAlways  = "always"
	SubjectNever   = "never"

	JoinAlways = "always"
	JoinNever  = "never"

	EventFailed   = "failed"
	EventFlagged  = "flagged"
	EventHeld     = "held"
	EventReleased = "released"
	EventBacklog  = "backlog"
	EventOldest   = "oldest"

	LogText = "text"
	LogJSON = "json"
)

// Warnings tells of what is allowed but probably not meant, one line each, as
// "file:line:column: what; what to do".
func (c *Config) Warnings() []string { return c.warnings }
