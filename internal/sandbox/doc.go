// Package sandbox is Heymarket's e-mail API as a server that can run anywhere.
//
// It responds as the API's documentation says and validates every call strictly:
// what the documentation does not allow is refused, with the reason. It shares
// nothing with the client but the documentation: it decodes by hand, so that a
// misspelt field cannot pass on both sides.
//
// A [Sandbox] is an http.Handler, and an http.RoundTripper for tests in simulated
// time. It starts no goroutine and keeps everything in memory.
//
//	POST   /v1/email/send            the message is accepted and listed
//	GET    /v1/inboxes               the inboxes of the team
//	GET    /v1/team                  the team and its members
//	GET    /v1/conversations/{id}    one conversation
//	POST   /v1/messages/all          the team's messages, newest first, in pages
//	GET    /                         a page for people, which says what this is
//	GET    /sandbox/messages         the accepted messages: [{"id", "convo_id", "request": {…}}]
//	DELETE /sandbox/messages         empties that list; conversations and local_ids stay
//	GET    /sandbox/stats            counters, as in Stats
//
// Paths under /v1 need credentials and count against the rate. The others do
// neither.
//
// # Faults
//
// A [Fault] is one kind of failure. Three things trigger it: a recipient whose
// local part is its name, as in temperror@example.com; a probability
// (Options.Chance); and a test (Inject). A recipient triggers it for openers, and
// for replies into conversations that it takes part in. With a number it does so
// that many times for each local_id (for each address if there is none):
// temperror+2@ fails twice and then succeeds. Without a number it always does.
// Validation comes first: an invalid request is refused for what is wrong with it.
//
//	temperror@     500
//	permerror@     400
//	unauthorized@  401
//	denied@        403
//	timeout@       408
//	conflict@      409
//	toolarge@      413
//	unprocessed@   422
//	tooearly@      425
//	teapot@        418, an unexpected status
//	throttle@      429, as for a call over the rate
//	throttlefor@   429 with a Retry-After of 60 s
//	throttleuntil@ 429 with a Retry-After that is a date, 60 s ahead
//	unavailable@   503 with an HTML page and a Retry-After of 1 s
//	redirect@      302 to another host
//	html200@       200 with an HTML page, as from a captive portal
//	html403@       403 with an HTML page, as from a firewall
//	switching@     101; then the connection stays open and silent
//	refused@       the connection is refused (a server can only cut it)
//	dropbefore@    the connection is cut
//	dropafter@     accepted; then the connection is cut
//	halfanswer@    accepted; the response breaks off in the middle
//	lateerror@     accepted; 500
//	slow@          accepted; the response is slow
//	huge@          accepted; the response is huge
//	notqueued@     accepted; the response has "queued": false
//	noid@          accepted; the response has no id
//	noconvo@       accepted; the response has no convo_id
//	compliance@    accepted; the response has compliance_results
//	foreign@       accepted; the response names the team's first conversation
//	elsewhere@     accepted; a reply lands in a new conversation with the same participants
//	gone@          accepted; then its conversation is gone
//	moved@         accepted; then its conversation is in another inbox
//	noinbox@       accepted; a look-up of its conversation returns no inbox
//
// Options.RetryAfter applies to throttle@, Options.Slow to slow@, Options.Huge to
// huge@. The faults above dropafter@ accept nothing. On calls other than a send, a fault by chance or
// by a test does what it can: a slow page of a search, a huge list.
//
// # Unknowns
//
// Where the documentation is silent the sandbox picks a behaviour, and [Modes]
// selects others.
package sandbox
