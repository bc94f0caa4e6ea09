// Package sandbox is Heymarket's e-mail API as a server that can be run anywhere.
//
// It answers as the API's documentation says and checks what it gets like a
// hostile reviewer: whatever the documents do not allow is refused, with words
// that say why. It shares nothing with the client but the documents: it decodes
// by hand, so that one misspelt field cannot pass on both sides.
//
// A [Sandbox] is an http.Handler, and an http.RoundTripper for tests in simulated
// time. It starts no goroutine and keeps everything in memory.
//
//	POST   /v1/email/send            the message is accepted and listed
//	GET    /v1/inboxes               the inboxes of the team
//	GET    /v1/team                  the team and its members
//	GET    /v1/conversations/{id}    one conversation
//	POST   /v1/messages/all          the team's messages, newest first, in pages
//	GET    /sandbox/messages         what was accepted: [{"id", "convo_id", "request": {…}}]
//	DELETE /sandbox/messages         empties that list; conversations and local_ids stay
//	GET    /sandbox/stats            what was counted, as in Stats
//
// The paths under /v1 want credentials and count against the rate. Those under
// /sandbox do neither.
//
// # Faults
//
// A [Fault] goes wrong in one way. Three things call it: a recipient whose local
// part is its name, as in temperror@example.com; a probability (Options.Chance);
// and a test (Inject). A recipient calls it for openers, and for replies into
// conversations that it takes part in. With a number it does so that many times
// for each local_id (for each address where there is none): temperror+2@ fails
// twice and then succeeds. Without a number it always does. The checks come
// first: a request that is not as documented is refused for that.
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
//	teapot@        418, which nobody expects
//	throttle@      429, with Options.RetryAfter
//	unavailable@   503 with a page of HTML and a Retry-After of 1 s
//	redirect@      302 to another host
//	html200@       200 with a page of HTML, as from a captive portal
//	html403@       403 with a page of HTML, as from a firewall
//	refused@       the connection is refused; a Handler can only cut it
//	dropbefore@    the connection is cut
//	dropafter@     accepted; then the connection is cut
//	halfanswer@    accepted; the answer breaks off in the middle
//	lateerror@     accepted; 500
//	slow@          accepted; the answer comes after Options.Slow
//	notqueued@     accepted; the answer says "queued": false
//	noid@          accepted; the answer has no id
//	noconvo@       accepted; the answer has no convo_id
//	compliance@    accepted; the answer has compliance_results
//	foreign@       accepted; the answer names the team's first conversation
//	elsewhere@     accepted; a reply lands in a new conversation with the same participants
//	gone@          accepted; then its conversation is gone
//	moved@         accepted; then its conversation is in another inbox
//
// What stands above "accepted" is not accepted. On calls other than a send, a
// fault by chance or by a test does what it can.
//
// # What nobody knows
//
// Where the documents are silent the sandbox picks something, and [Modes] lets it
// be otherwise.
package sandbox
