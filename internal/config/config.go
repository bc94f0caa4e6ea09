// Package config holds heyrelay's keys, their defaults and their rules.
//
// [Config] and the structs within it are the configuration and its documentation: the
// yaml tag names a key, the comment explains it, and further tags give its default,
// choices and range, as package strictyaml reads them. [Example] prints them as a file
// to start from. A struct with rules of its own is in the file that has them.
//
// A configuration comes from one file ([Load], [Parse]) or from environment
// variables ([FromEnvironment]). The result is a [Config] or a list of everything
// that is wrong with it. A Config that was returned without an error is complete:
// defaults are set, secrets are read, names are unique, and each route has its
// team.
package config

import "heyrelay/internal/strictyaml"

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
	// relative path is resolved against the directory of this file. A reload reads it
	// again.
	UsersFile string `yaml:"users_file" example:"htpasswd"`

	// Limits for each client and for all clients together.
	Limits Limits `yaml:"limits"`

	// What to do with a bare CR or LF in a message: repair turns it into CRLF; refuse
	// rejects the message. It is never passed on.
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

	// Attachments that are stored, and linked in the body.
	Blobs Blobs `yaml:"blobs"`

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

	// How long a shutdown may take. Open transactions and API calls get three quarters of
	// it to finish; then their clients get 421. Docker kills a container 10s after
	// SIGTERM.
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

	// Messages per minute of one user, or of one address without a user. A minute begins
	// with the first message; further ones are deferred (452 4.7.1). 0: no limit.
	MessagesPerMinute int `yaml:"messages_per_minute" default:"0" range:"0..1000000"`

	// Recipients per minute, counted likewise.
	RecipientsPerMinute int `yaml:"recipients_per_minute" default:"0" range:"0..1000000"`

	// Commands of one connection, since its last message, that may fail before it is
	// closed (421 4.7.0). If within a minute more than that bring no mail forward, such as
	// NOOP and RSET, each further one counts as failed.
	Errors int `yaml:"errors" default:"100" range:"1..10000"`

	// Failed logins from one address within auth_ban, after which the address is
	// refused until auth_ban is over; for one user from all addresses, ten times that.
	AuthFailures int `yaml:"auth_failures" default:"10" range:"1..10000"`

	// The period in which failed logins are counted, from the first one.
	AuthBan strictyaml.Duration `yaml:"auth_ban" default:"15m" range:"1m..1d"`

	// Memory for messages being received and converted, all clients together; at least
	// twice message_size. One user or address may use a quarter of it, or twice
	// message_size if that is more, plus 8MiB while it has a single message in progress.
	// A client that exceeds its part is deferred (452 4.7.1), and all clients are if
	// everything is in use (452 4.3.1); a single message that needs more is rejected (552
	// 5.3.4). Messages that are being sent to the API may use another quarter of it.
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

	// API calls of any kind per minute. Heymarket allows 500.
	Rate strictyaml.Rate `yaml:"rate" default:"500/min" range:"1/min..6000000/min"`

	// Concurrent calls. An eighth is reserved for priority high. At 500 calls per minute,
	// the default suffices until a call takes 6 seconds.
	Concurrency int `yaml:"concurrency" default:"64" range:"1..1000"`

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
	// only, or an environment variable. A relative path is resolved against the directory
	// of this file.
	Key strictyaml.Secret `yaml:"key" start:"heymarket_key" required:"name the file with the Secret Key"`
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
	// sqlite: and the path of the database. A relative path is resolved against the
	// directory of this file.
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

	// Failed and dropped messages, with their content, so that they can still be sent; and
	// the records of shadowed messages.
	Failed strictyaml.Duration `yaml:"failed" default:"30d" range:"1h..10y"`

	// The ids of a conversation after its last message. A later reply opens a new one.
	Threads strictyaml.Duration `yaml:"threads" default:"1y" range:"1d..10y"`
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
	// they show names of routes and teams, numbers and reasons, but nothing about
	// messages. Default: the console's listener serves them, if there is one.
	Address string `yaml:"address" example:"127.0.0.1:9125"`
}

// Log is what is logged.
type Log struct {
	// The format: text for people, json for programs.
	Format string `yaml:"format" default:"text" oneof:"text|json"`

	// The lowest severity that is logged.
	Level string `yaml:"level" default:"info" oneof:"debug|info|warn|error"`

	// How mail addresses are logged: as they are, or masked as a***@example.com. The queue
	// id still identifies the lines of one message.
	Addresses string `yaml:"addresses" default:"shown" oneof:"shown|masked"`
}

// Warnings returns what is allowed but probably not intended, one line each, as
// "file:line:column: what; advice".
func (c *Config) Warnings() []string { return c.warnings }

// Key returns what the operator calls the value at path, such as bounces.smarthost: its
// variable if the environment is the configuration and has one, otherwise path.
func (c *Config) Key(path string) string { return c.key(path) }
