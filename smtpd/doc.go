// Package smtpd is the SMTP side: it takes mail from applications and hands each
// message, with its envelope, to a [Handler], whose [Reply] is the answer.
//
// The commands are parsed by emersion/go-smtp. Between it and the socket stands a
// conn, and all that the package promises rests on three habits of that conn:
//
//   - It gives go-smtp one line at a time. So go-smtp never holds a command that
//     could not be taken back: after a 421 or a QUIT nothing more is carried out,
//     however much the client has sent ahead. And the stream can be exchanged
//     for a TLS one between two lines.
//   - All that leaves passes through its Write, a line at a time. There replies get
//     the codes that the RFCs want, a 421 ends the connection, a refusal is told to
//     the administrator, and the Handler learns that its reply was heard.
//   - A read that fails ends the connection there and then, with a 421 where the
//     client may still listen. What follows a time-out inside a message is never
//     taken for commands, and half a message never for a whole one.
//
// Above it a session keeps one transaction: MAIL opens it and gives it its queue
// id, RCPT adds to it, DATA or BDAT completes it. A [Server] owns all connections,
// counts them before the greeting, and ends them in [Server.Shutdown].
//
// Who may send is a matter of networks ([Listener]) and passwords ([User]); how much,
// of [Limits].
package smtpd
