// Package config holds heyrelay's keys, their defaults and their rules.
//
// The structs of this file are the configuration and its documentation: the yaml
// tag names a key, the comment explains it, and further tags give its default,
// choices and range, as package strictyaml reads them. [Example] prints them as a
// file to start from.
//
// A configuration comes from one file ([Load], [Parse]) or from environment
// variables ([FromEnvironment]). The result is a [Config] or a list of everything
// that is wrong with it. A Config that was returned without an error is complete:
// defaults are set, secrets are read, names are unique, and each route has its
// team.
package config

import (
	"heyrelay/internal/passhash"
	"heyrelay/internal/strictyaml"
)

// Config is the configuration. It does not change after it was loaded.
type Config struct {
	// The name in the greeting and the reply to EHLO (RFC 5321, section 4.2).
	// Default: the machine's host name.
	Hostname string `yaml:"hostname" example:"relay.example.com"`

	// The addresses at which applications connect. Default: one listener on
	// 127.0.0.1:2525, reachable from this machine only.
	Listeners []Listener `yaml:"listeners"`

	// The certificate of listeners with TLS. "heyrelay cert" creates a self-signed one.
	TLS TLS `yaml:"tls"`

	// Clients that log in with a name and a password, from any address. AUTH is offered
	// if there are users and the connection is private: with TLS, or on this machine.
	Users []User `yaml:"users"`

	// A file with more users in the format of htpasswd -B, one NAME:HASH per line. A
	// relative name starts in the directory of this file. A reload reads it again.
	UsersFile string `yaml:"users_file" example:"htpasswd"`

	// Limits for each client and for all clients together.
	Limits Limits `yaml:"limits"`

	// What to do with a CR or LF that stands alone within a message: repair turns it
	// into CRLF; refuse rejects the message. It is never passed on.
	BareLF string `yaml:"bare_lf" default:"repair" oneof:"repair|refuse"`

	// Heymarket's API.
	Heymarket Heymarket `yaml:"heymarket"`

	// Heymarket teams, each under a name that you choose, with its credentials and its
	// rate of calls.
	Teams map[string]Team `yaml:"teams" start:"shop" required:"add a team with its secrets"`

	// The inbox that a message is sent from. The first route that matches is used; a
	// message that matches no route is rejected (550 5.7.1).
	Routes []Route `yaml:"routes" required:"add a route with its inbox and creator_id"`

	// Where mail to local recipients goes, such as cron's mail to root: a name, an
	// address or a pattern, and the address to send to instead. Without an alias, mail to
	// a recipient without a domain or at localhost is rejected (550 5.1.1). Default: none.
	Aliases map[string]string `yaml:"aliases" example:"{root: ops@example.com, \"*@localhost\": ops@example.com}"`

	// Retries.
	Delivery Delivery `yaml:"delivery"`

	// Where messages are stored until they are sent.
	Spool Spool `yaml:"spool"`

	// How long finished messages are kept.
	Retention Retention `yaml:"retention"`

	// Delivery status reports to senders (RFC 3464). Without a smarthost, failures
	// appear only in the log and in "heyrelay queue list".
	Bounces Bounces `yaml:"bounces"`

	// A webhook for the operator's own programs.
	Events Events `yaml:"events"`

	// What "heyrelay health" reports.
	Health Health `yaml:"health"`

	// Metrics for Prometheus and probes for an orchestrator, over HTTP.
	Metrics Metrics `yaml:"metrics"`

	// The web console and the admin API, over HTTP.
	Console Console `yaml:"console"`

	// The log on standard error.
	Log Log `yaml:"log"`

	// How long a shutdown may take. Open transactions and calls of the API may end for
	// three quarters of it; clients that are not finished by then get 421. Docker kills
	// a container 10s after SIGTERM.
	ShutdownTimeout strictyaml.Duration `yaml:"shutdown_timeout" default:"8s" range:"1s..10m"`

	fileUsers []User
	warnings  []string
	key       func(path string) string
}

// Listener is one address at which applications connect.
type Listener struct {
	// host:port; unix:/path for a socket, usable by anyone with access to its
	// directory; or systemd:name for a socket that systemd opened, by its
	// FileDescriptorName. Without a host (":2525"), all addresses of this machine.
	Address string `yaml:"address" default:"127.0.0.1:2525"`

	// Encryption: none; starttls, when the client requests it (commonly on port 587);
	// or implicit, from the start (commonly on port 465).
	TLS string `yaml:"tls" default:"none" oneof:"none|starttls|implicit"`

	// Networks and addresses that may send without a password; all other clients must
	// log in as one of the users.
	// Default: this machine on a loopback address, otherwise nobody.
	Allow Networks `yaml:"allow" example:"[127.0.0.0/8, \"::1/128\"]"`
}

// TLS is the certificate of listeners with TLS.
type TLS struct {
	// The PEM file with the certificate, followed by its intermediate certificates. A
	// relative name starts in the directory of this file. It is read again when it
	// changes.
	Certificate string `yaml:"certificate" example:"cert.pem"`

	// The PEM file with the certificate's private key, readable by this service only.
	// It is read again when it changes.
	Key string `yaml:"key" example:"key.pem"`

	// The oldest version of TLS that clients may use. 1.0 and 1.1 are insecure and also
	// enable old ciphers; they are for devices that know nothing newer.
	MinVersion string `yaml:"min_version" default:"1.2" oneof:"1.0|1.1|1.2|1.3"`
}

// User is a client that logs in with a password.
type User struct {
	// The user name that the application is configured with.
	Name string `yaml:"name" example:"redmine" required:"give the user's name"`

	// The password's argon2id or bcrypt hash. "heyrelay passwd" creates it.
	Hash passhash.Hash `yaml:"password_hash" sensitive:"true" example:"${HASH}" required:"create it with heyrelay passwd"`

	// The envelope senders that the user may use; * matches any text, <> the null
	// sender of bounces. Default: all.
	Senders Patterns `yaml:"senders" example:"[\"*@example.com\"]"`
}

// Limits bounds what clients may use.
type Limits struct {
	// The largest message, as announced by SIZE (RFC 1870).
	MessageSize strictyaml.Size `yaml:"message_size" default:"25MB" range:"64KB..1GB"`

	// Recipients per message (RFC 5321, section 4.5.3.1.8, requires at least 100).
	Recipients int `yaml:"recipients" default:"100" range:"1..10000"`

	// Open connections in total.
	Connections int `yaml:"connections" default:"1000" range:"1..100000"`

	// Open connections per client address.
	ConnectionsPerAddress int `yaml:"connections_per_address" default:"250" range:"1..100000"`

	// How long a new client may take to send EHLO or HELO.
	Greeting strictyaml.Duration `yaml:"greeting" default:"1m" range:"1s..1h"`

	// How long a client may be idle between commands (RFC 5321, section 4.5.3.2.7,
	// requires at least 5m).
	Command strictyaml.Duration `yaml:"command" default:"5m" range:"1s..1h"`

	// How long a client without a login may stay connected between messages, whatever
	// commands it sends.
	IdleTotal strictyaml.Duration `yaml:"idle_total" default:"5m" range:"1s..1d"`

	// How long a client may be idle within a message.
	DataIdle strictyaml.Duration `yaml:"data_idle" default:"5m" range:"1s..1h"`

	// How long a client may take to send one message.
	DataTotal strictyaml.Duration `yaml:"data_total" default:"30m" range:"1s..1d"`

	// How long a client may take to read a reply.
	Reply strictyaml.Duration `yaml:"reply" default:"1m" range:"1s..1h"`

	// Messages per minute of one user, or of one address without a user. A minute
	// begins with the first message; more are deferred (452 4.7.1). 0: no limit.
	MessagesPerMinute int `yaml:"messages_per_minute" default:"0" range:"0..1000000"`

	// Recipients per minute, counted likewise.
	RecipientsPerMinute int `yaml:"recipients_per_minute" default:"0" range:"0..1000000"`

	// Commands of one connection that may fail before it is closed (421 4.7.0).
	Errors int `yaml:"errors" default:"100" range:"1..10000"`

	// Failed logins from one address within auth_ban, after which the address is
	// refused until auth_ban is over; for one user from all addresses, ten times that.
	AuthFailures int `yaml:"auth_failures" default:"10" range:"1..10000"`

	// The period in which failed logins are counted, from the first one.
	AuthBan strictyaml.Duration `yaml:"auth_ban" default:"15m" range:"1m..1d"`

	// Memory for messages being received and converted, all clients together; at least
	// twice message_size. One user or address may hold a quarter of it, or twice
	// message_size if that is more, and 8MiB more for its only message. Clients that exceed
	// it are deferred (452 4.3.1); a message that alone takes more is rejected (552 5.3.4).
	InFlight strictyaml.Size `yaml:"in_flight" default:"256MB" range:"1MB..1TB"`
}

// Heymarket is where the API is.
type Heymarket struct {
	// The API's URL: https, or http to this machine only. Redirects are not followed.
	BaseURL string `yaml:"base_url" default:"https://api.heymarket.com"`

	// Permits http to another machine, such as a sandbox in the next container.
	// Credentials and mail are then sent unencrypted.
	AllowHTTP bool `yaml:"allow_http" default:"false"`

	// The time limit of one call.
	Timeout strictyaml.Duration `yaml:"timeout" default:"30s" range:"1s..5m"`
}

// Team is a Heymarket team: its credentials and its budget. It has either Secrets
// or an APIKey.
type Team struct {
	// API secrets, up to two, tried in order, so that one can be replaced while the
	// other is in use.
	Secrets []APISecret `yaml:"secrets"`

	// The team's API key, instead of secrets. Heymarket is phasing it out.
	APIKey strictyaml.Secret `yaml:"api_key" example:"/run/secrets/heymarket_api_key"`

	// Calls per minute, of all kinds. Heymarket allows 500.
	Rate strictyaml.Rate `yaml:"rate" default:"500/min" range:"1/min..6000000/min"`

	// Concurrent calls.
	Concurrency int `yaml:"concurrency" default:"32" range:"1..1000"`

	// Visible recipients (To and Cc) of one message; a message with more is rejected
	// (554 5.5.3). Heymarket's web application allows 10; the API's limit is not
	// documented.
	MaxTargets int `yaml:"max_targets" default:"10" range:"1..1000"`

	// The size of the HTML and plain text bodies together; a larger message is rejected
	// (552 5.3.4).
	MaxBody strictyaml.Size `yaml:"max_body" default:"1MB" range:"1KB..1GB"`

	// What to do when Heymarket accepts a message but reports, without a reason, that it
	// was not queued: flag it for review, or treat it as failed and notify the sender.
	// It is never sent again automatically.
	QueuedFalse string `yaml:"queued_false" default:"flag" oneof:"flag|fail"`
}

// APISecret is an API secret of a team: its Secret ID and its Secret Key.
type APISecret struct {
	// The Secret ID.
	ID string `yaml:"id" start:"74f80a77" required:"give the Secret ID"`

	// The Secret Key: a file that contains nothing else and is readable by this service
	// only, or an environment variable. A relative name starts in the directory of this
	// file.
	Key strictyaml.Secret `yaml:"key" start:"/run/secrets/heymarket_key" required:"name the file with the Secret Key"`
}

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

	// Lowers normal to bulk for messages that identify themselves as bulk mail, by
	// Precedence: bulk, list or junk, or by List-Unsubscribe. high is not lowered.
	BulkHeaders bool `yaml:"bulk_headers" default:"false"`

	// When the client gets its reply: once the message is stored, or once the API has
	// accepted or rejected it. Then permanent failures are a 554 and the 250 contains
	// Heymarket's ids. If the result is not known within answer_timeout, or nothing can
	// be sent at the moment, the reply is 250 all the same.
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

	// Attachments, which the API does not support: the message is rejected (554 5.6.0),
	// or they are dropped and a line in the body names them.
	Attachments string `yaml:"attachments" default:"reject" oneof:"reject|drop"`

	// Images within HTML: embedded as data: URIs (32KB per image, 128KB in total), which
	// Gmail and Outlook do not display, or replaced by their alternative text.
	InlineImages string `yaml:"inline_images" default:"embed" oneof:"embed|drop"`

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

	// Passes the mail of this route on to the present mail server, and only records what
	// would be sent to Heymarket.
	Shadow Shadow `yaml:"shadow"`
}

// Shadow is the mail server to which a route passes its mail on, to compare before a
// change. It is in use if there is a Next.
type Shadow struct {
	// The present mail server: smtp://host:port, with STARTTLS if the server offers it,
	// or smtps://host:port, with TLS from the start. Clients get its replies. Nothing is
	// sent to Heymarket; "heyrelay queue list --state shadowed" lists what would be.
	Next string `yaml:"next" example:"smtp://old-relay.example.com:25"`

	// The user name, if the server requires a login. It is sent over TLS only, unless the
	// server is on this machine.
	User string `yaml:"user" example:"heyrelay"`

	// The user's password.
	Password strictyaml.Secret `yaml:"password" example:"/run/secrets/old_relay_password"`
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

// Delivery is how requests are retried.
type Delivery struct {
	// How long a request is retried, from its first attempt, before it fails.
	Expire strictyaml.Duration `yaml:"expire" default:"5d" range:"1m..1y"`

	// The delay after the first failed attempt. It doubles with each attempt.
	RetryInitial strictyaml.Duration `yaml:"retry_initial" default:"1s" range:"100ms..1h"`

	// The longest delay between attempts.
	RetryMax strictyaml.Duration `yaml:"retry_max" default:"1h" range:"1s..1d"`

	// How long a message that keeps failing delays later messages of its conversation
	// while others are sent.
	LanePatience strictyaml.Duration `yaml:"lane_patience" default:"15m" range:"1s..30d"`

	// The longest time that a route or team is held while its probes fail.
	HoldMax strictyaml.Duration `yaml:"hold_max" default:"14d" range:"1m..1y"`

	// How long the API is assumed to remember a local_id. A call whose outcome has been
	// unknown for longer is looked up before it is repeated.
	LocalIDMemory strictyaml.Duration `yaml:"local_id_memory" default:"1h" range:"1m..30d"`

	// How long a message is remembered, so that it is not sent again when the
	// application repeats it. Messages without a Message-ID or with a wrong Date are
	// remembered for at most 10m. 0: repeats are sent.
	Dedupe strictyaml.Duration `yaml:"dedupe" default:"5d" range:"0..30d"`
}

// Spool is where messages are stored until they are sent.
type Spool struct {
	// sqlite: and the path of the database. A relative path starts in the directory of
	// this file.
	URL string `yaml:"url" default:"sqlite:heyrelay.db"`

	// The free disk space below which mail is deferred (452 4.3.1).
	MinFree strictyaml.Size `yaml:"min_free" default:"256MB"`
}

// Retention is how long finished messages are kept. They are deleted in small
// steps.
type Retention struct {
	// Bodies and source of sent messages.
	Content strictyaml.Duration `yaml:"content" default:"24h" range:"0..10y"`

	// The history of sent messages.
	Sent strictyaml.Duration `yaml:"sent" default:"30d" range:"1h..10y"`

	// Failed and dropped messages, complete, so that they can still be sent; and what was
	// recorded of shadowed ones.
	Failed strictyaml.Duration `yaml:"failed" default:"30d" range:"1h..10y"`

	// The ids of a conversation after its last message. A later reply opens a new one.
	Threads strictyaml.Duration `yaml:"threads" default:"1y" range:"1d..10y"`
}

// Bounces is how senders are notified of failures (RFC 3464). It is in use if there
// is a Smarthost.
type Bounces struct {
	// The mail server for the reports: smtp://host:port, with STARTTLS if the server
	// offers it, or smtps://host:port, with TLS from the start. Not a listener of
	// heyrelay itself.
	Smarthost string `yaml:"smarthost" example:"smtp://127.0.0.1:25"`

	// The user name, if the server requires a login. It is sent over TLS only, unless the
	// server is on this machine.
	User string `yaml:"user" example:"heyrelay"`

	// The user's password.
	Password strictyaml.Secret `yaml:"password" example:"/run/secrets/smarthost_password"`

	// The From address of reports. Default: mailer-daemon@ and the hostname.
	From string `yaml:"from" example:"mailer-daemon@relay.example.com"`

	// How long a message is pending before a sender who requested it (NOTIFY=DELAY) is
	// notified.
	Delay strictyaml.Duration `yaml:"delay" default:"4h" range:"1m..30d"`
}

// Events is which events are posted to the operator, signed as the Standard Webhooks
// specification defines. It is in use if there is a URL.
type Events struct {
	// The webhook's URL: https, or http to this machine only. Redirects are not followed.
	URL string `yaml:"url" example:"https://ops.example.com/heyrelay"`

	// The signing secret: whsec_ and 24 to 64 random bytes in base64, such as
	// echo "whsec_$(openssl rand -base64 32)" prints.
	Secret strictyaml.Secret `yaml:"secret" example:"/run/secrets/heyrelay_events"`

	// What is posted: requests that failed or were flagged, routes and teams that were
	// held or released, and too many or too old pending requests. Default: all.
	Kinds []string `yaml:"kinds" example:"[failed, held]" oneof:"failed|flagged|held|released|backlog|oldest"`

	// The number of pending requests above which an event is posted. 0: never.
	Backlog int `yaml:"backlog" default:"10000" range:"0..1000000000"`

	// The age of the oldest pending request above which an event is posted. 0: never.
	Oldest strictyaml.Duration `yaml:"oldest" default:"1h" range:"0..30d"`
}

// Health is when the relay counts as degraded.
type Health struct {
	// The age of the oldest pending request above which the relay is degraded. 0: no
	// limit.
	Oldest strictyaml.Duration `yaml:"oldest" default:"1h" range:"0..30d"`
}

// Metrics is where metrics and probes are served.
type Metrics struct {
	// host:port of a listener that serves /metrics, /livez and /readyz without a login;
	// the pages show names of routes and teams, numbers and reasons, nothing of a message.
	// Default: the console's listener serves them, if there is one.
	Address string `yaml:"address" example:"127.0.0.1:9125"`
}

// Log is what is logged.
type Log struct {
	// The format: text for people, json for programs.
	Format string `yaml:"format" default:"text" oneof:"text|json"`

	// The lowest severity that is logged.
	Level string `yaml:"level" default:"info" oneof:"debug|info|warn|error"`

	// How mail addresses are logged: as they are, or masked as a***@example.com. The queue
	// id still says which lines are about one message.
	Addresses string `yaml:"addresses" default:"shown" oneof:"shown|masked"`
}

// Warnings returns what is allowed but probably not intended, one line each, as
// "file:line:column: what; advice".
func (c *Config) Warnings() []string { return c.warnings }

// Key returns what the operator calls the value at path, such as bounces.smarthost: its
// variable if the environment is the configuration and has one, otherwise path.
func (c *Config) Key(path string) string { return c.key(path) }
