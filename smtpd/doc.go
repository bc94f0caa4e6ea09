// Package smtpd is the SMTP server: it accepts mail from applications and passes each
// message, with its envelope, to a [Handler], whose [Reply] is sent to the client.
//
// emersion/go-smtp parses the commands. A conn stands between it and the socket, and the
// guarantees of this package rest on three properties of conn:
//
//   - It gives go-smtp one line at a time, so go-smtp never holds a command that could
//     not be withdrawn: after a 421 or a QUIT no further command is executed, however
//     many the client has pipelined. It also allows the stream to be replaced by a TLS
//     stream between two lines.
//   - All output passes through its Write, a line at a time. There replies get the codes
//     that the RFCs require, a 421 closes the connection, refusals are logged, and the
//     Handler learns whether its reply was received.
//   - A read error ends the connection at once, with a 421 if the client may still be
//     listening. Data that follows a time-out inside a message is never executed as
//     commands, and a partial message never passes for a complete one.
//
// On top of it a session keeps one transaction: MAIL opens it and assigns its queue id,
// RCPT adds recipients, DATA or BDAT completes it. A [Server] owns all connections,
// counts them before the greeting, and closes them in [Server.Shutdown].
//
// Networks ([Listener]) and passwords ([User]) decide who may send, [Limits] how much.
package smtpd
