package notify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/idna"

	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
)

// Reporter writes delivery status notifications (RFC 3464).
type Reporter struct {
	Hostname string // who reports
	From     string // the address that reports come from
}

// Write writes the report that a notice of spool.Mail is about. It is a function of
// its arguments alone: a notice that is told twice gives the same message twice,
// under one Message-ID. ok is false where nothing is to be sent: nobody asked for
// it, there is nobody to tell, or it would answer an answer.
func (r Reporter) Write(n spool.Notice, can smarthost.Offers) (m smarthost.Message, ok bool) {
	about, ok := r.due(n)
	if !ok {
		return smarthost.Message{}, false
	}
	m = smarthost.Message{To: reachable(about.Sender, can), NoReports: true} // from <> (RFC 3464, section 2)
	parts := []part{words(r, &about), status(r, &about)}
	back, returned := original(&about, can)
	if returned {
		parts = append(parts, back)
	}
	assemble(&m, r.header(n, m.To), parts)
	if can.Size > 0 && int64(len(m.Text)) > can.Size && returned && about.Return != headersOnly {
		smaller := *n.Report
		smaller.Return = headersOnly
		n.Report = &smaller
		return r.Write(n, can)
	}
	return m, true
}

// due is what a report says, of those recipients alone for whom it is wanted. ok is
// false where there is to be none.
func (r Reporter) due(n spool.Notice) (about spool.Report, ok bool) {
	about = *n.Report
	about.Recipients = wanted(about)
	return about, len(about.Recipients) > 0 && isPath(about.Sender) && !r.loops(head(about.Raw))
}

// wanted are the recipients of whom the sender wants to hear this (RFC 3461,
// section 4.1).
func wanted(about spool.Report) (told []spool.ReportRecipient) {
	what := map[spool.Action]string{
		spool.FailedAction: spool.NotifyFailure, spool.DelayedAction: spool.NotifyDelay, spool.RelayedAction: spool.NotifySuccess,
	}[about.Action]
	for _, to := range about.Recipients {
		if to.Wants(what) {
			told = append(told, to)
		}
	}
	return told
}

// isPath reports whether an address can be told anything: the null reverse-path
// never is (RFC 5321, section 4.5.5), nor is what could end its line.
func isPath(address string) bool {
	at := strings.LastIndexByte(address, '@')
	return at > 0 && at < len(address)-1 && len(address) <= 320 && !strings.ContainsFunc(address, func(r rune) bool {
		return unicode.IsControl(r) || r == '<' || r == '>' || r == unicode.ReplacementChar
	})
}

// loops reports whether a report could answer an answer. A report is one (RFC
// 3464), so is what came from the null reverse-path, and what says that it is
// auto-replied: the sender of that answers each message, reports included, and
// what it answered would fail again (RFC 3834, section 2). Mail that is
// auto-generated, such as cron's, answers nothing, and its sender wants to know.
func (r Reporter) loops(header []byte) bool {
	kind, _, _ := strings.Cut(field(header, "Content-Type"), ";")
	automatic, _, _ := strings.Cut(field(header, "Auto-Submitted"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "multipart/report") ||
		strings.ReplaceAll(field(header, "Return-Path"), " ", "") == "<>" ||
		strings.EqualFold(strings.TrimSpace(automatic), "auto-replied") ||
		strings.EqualFold(field(header, "X-Loop"), r.From)
}

// reachable is an address as the server can take it: an international domain in
// its ASCII form (RFC 5891) where the server does not speak UTF-8.
func reachable(address string, can smarthost.Offers) string {
	at := strings.LastIndexByte(address, '@')
	if can.UTF8 || isASCII(address) || !isASCII(address[:at]) {
		return address
	}
	domain, err := idna.Lookup.ToASCII(address[at+1:])
	if err != nil {
		return address
	}
	return address[:at+1] + domain
}

// id is the same whenever a notice is told, and no other notice's: what was told
// twice can be known by it.
func id(hostname string, n spool.Notice) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d\n%d\n%s", hostname, n.Way, n.ID, n.Happened.UnixNano(), n.Event))
	return hex.EncodeToString(sum[:16])
}

// header is the header of the report, without what says how its body is made.
func (r Reporter) header(n spool.Notice, to string) []byte {
	a := n.Report
	var b bytes.Buffer
	add := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	add("From", "Mail Delivery System <"+r.From+">")
	add("To", (&mail.Address{Address: to}).String())
	add("Subject", subject(a))
	add("Date", date(n.Happened))
	add("Message-ID", "<"+id(r.Hostname, n)+"@"+r.Hostname+">")
	if cited := messageID(head(a.Raw)); cited != "" {
		add("References", cited)
	}
	add("Auto-Submitted", "auto-replied") // RFC 3834, section 5
	add("X-Loop", r.From)
	add("MIME-Version", "1.0")
	return b.Bytes()
}

// subject says what the report is about, with the original's title.
func subject(a *spool.Report) string {
	s := map[spool.Action]string{
		spool.FailedAction: "Not delivered", spool.DelayedAction: "Not delivered yet", spool.RelayedAction: "Handed on",
	}[a.Action]
	if title := plain(a.Title, 60); title != "" {
		s += ": " + title
	}
	return strings.ReplaceAll(mime.QEncoding.Encode("utf-8", s), "?= =?", "?=\r\n =?")
}

// messageID is the id that a header owns, "" where it is not a plain one.
func messageID(header []byte) string {
	s := field(header, "Message-ID")
	if len(s) < 3 || len(s) > 900 || s[0] != '<' || s[len(s)-1] != '>' || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return s
}

// part is a part of the report.
type part struct {
	kind     string // Content-Type
	encoding string // Content-Transfer-Encoding
	about    string // Content-Description
	body     []byte // encoded
}

// assemble puts the parts together (RFC 6522, section 3). No part can hold the
// boundary, for it depends on all of them.
func assemble(m *smarthost.Message, header []byte, parts []part) {
	sum, encoding := sha256.New(), "7bit"
	for _, p := range parts {
		sum.Write(p.body)
		if p.encoding == "8bit" {
			m.EightBit = true
			encoding = "8bit"
		}
		m.UTF8 = m.UTF8 || p.kind == "message/global"
	}
	m.UTF8 = m.UTF8 || !isASCII(m.To)
	boundary := "=_" + hex.EncodeToString(sum.Sum(nil)[:15])
	b := bytes.NewBuffer(header)
	fmt.Fprintf(b, "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=%q\r\nContent-Transfer-Encoding: %s\r\n", boundary, encoding)
	fmt.Fprintf(b, "\r\nThis is a delivery status notification (RFC 3464).\r\n")
	for _, p := range parts {
		fmt.Fprintf(b, "\r\n--%s\r\nContent-Type: %s\r\nContent-Description: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", boundary, p.kind, p.about, p.encoding)
		b.Write(p.body)
	}
	fmt.Fprintf(b, "\r\n--%s--\r\n", boundary)
	m.Text = b.Bytes()
}

// date writes a time as RFC 5322, section 3.3, wants it.
func date(t time.Time) string { return t.UTC().Format(time.RFC1123Z) }
