package notify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"

	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-message/textproto"
	"golang.org/x/net/idna"

	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
)

// Reporter writes delivery status notifications (RFC 3464).
type Reporter struct {
	Hostname string // the reporting MTA
	From     string // address in the reports' From
}

// Write writes the report of a notice of kind spool.Mail, for a server with the
// given extensions. The same arguments give the same octets, so that a report that
// is sent twice has one Message-ID. ok is false where no report is due: nobody
// asked for one, the sender has no address, or it would answer an automatic reply.
func (r Reporter) Write(n spool.Notice, can smarthost.Offers) (m smarthost.Message, ok bool) {
	about, ok := r.due(n)
	if !ok {
		return smarthost.Message{}, false
	}
	// It is from <>, and asks for no report itself (RFC 3464, section 2).
	to := unquoted(reachable(about.Sender, can))
	m.To = smarthost.Recipient{Path: to, Notify: []string{spool.NotifyNever}}
	parts := []part{explanation(r, &about), status(r, &about)}
	back, whole := original(&about, can)
	if whole {
		parts = append(parts, back)
	}
	r.assemble(&m, n, parts)
	if can.Size > 0 && int64(len(m.Text)) > can.Size && whole && about.Return != headersOnly {
		smaller := *n.Report
		smaller.Return = headersOnly
		n.Report = &smaller
		return r.Write(n, can)
	}
	return m, true
}

// due reduces a notice to the recipients that a report is wanted for. ok is false
// where there is to be no report.
func (r Reporter) due(n spool.Notice) (about spool.Report, ok bool) {
	about = *n.Report
	about.Recipients = wanted(about)
	if len(about.Recipients) == 0 || !isPath(about.Sender) {
		return about, false
	}
	header, _ := readHeader(about.Raw)
	return about, !r.loops(header)
}

// wanted returns the recipients for which the sender wants this report (RFC 3461,
// section 4.1).
func wanted(about spool.Report) (list []spool.ReportRecipient) {
	what := map[spool.Action]string{
		spool.FailedAction:  spool.NotifyFailure,
		spool.DelayedAction: spool.NotifyDelay,
		spool.RelayedAction: spool.NotifySuccess,
	}[about.Action]
	for _, to := range about.Recipients {
		if to.Wants(what) {
			list = append(list, to)
		}
	}
	return list
}

// isPath reports whether a report can be sent to an address: never to the null
// reverse-path (RFC 5321, section 4.5.5), nor to what could end its line.
func isPath(address string) bool {
	at := strings.LastIndexByte(address, '@')
	return at > 0 && at < len(address)-1 && len(address) <= 320 && !strings.ContainsFunc(address, func(r rune) bool {
		return unicode.IsControl(r) || r == '<' || r == '>' || r == unicode.ReplacementChar
	})
}

// loops reports whether a report about a message could start a mail loop: where the
// message is a report itself (RFC 3464), came from the null reverse-path, or is an
// automatic reply, whose sender answers every message, reports included (RFC 3834,
// section 2). Mail that is merely auto-generated, such as cron's, answers nothing;
// its sender gets reports.
func (r Reporter) loops(h mail.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";") // parameters may be damaged
	automatic, _, _ := strings.Cut(h.Get("Auto-Submitted"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "multipart/report") ||
		strings.ReplaceAll(h.Get("Return-Path"), " ", "") == "<>" ||
		strings.EqualFold(strings.TrimSpace(automatic), "auto-replied") ||
		strings.EqualFold(h.Get("X-Loop"), r.From)
}

// reachable writes an international domain in its ASCII form (RFC 5891) where the
// server does not support UTF-8.
func reachable(address string, can smarthost.Offers) string {
	at := strings.LastIndexByte(address, '@')
	if can.UTF8 || smarthost.IsASCII(address) || !smarthost.IsASCII(address[:at]) {
		return address
	}
	domain, err := idna.Lookup.ToASCII(address[at+1:])
	if err != nil {
		return address
	}
	return address[:at+1] + domain
}

// unquoted returns an address with its local part as [smarthost.Recipient] has it. A sender is as its
// client wrote it, where it may be a quoted string (RFC 5321, section 4.1.2).
func unquoted(address string) string {
	parsed, err := mail.ParseAddress(address)
	if err != nil { // such as one with two dots in a row, which is not quoted
		return address
	}
	return parsed.Address
}

// id identifies a notice: it is the same at every attempt, so that receivers can
// recognise a repeat.
func id(hostname string, n spool.Notice) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d\n%d\n%s", hostname, n.Way, n.ID, n.Happened.UnixNano(), n.Event))
	return hex.EncodeToString(sum[:16])
}

// setHeader sets the fields that do not describe the body; each is put at the top.
func (r Reporter) setHeader(h *mail.Header, n spool.Notice, to string) {
	h.Set("MIME-Version", "1.0")
	h.Set("X-Loop", r.From)
	h.Set("Auto-Submitted", "auto-replied") // RFC 3834, section 5
	original, _ := readHeader(n.Report.Raw)
	if cited, err := original.MessageID(); err == nil && cited != "" && len(cited) < 900 && smarthost.IsASCII(cited) {
		h.SetMsgIDList("References", []string{cited})
	}
	h.SetMessageID(id(r.Hostname, n) + "@" + r.Hostname)
	h.SetDate(n.Happened.UTC())
	h.SetSubject(subject(n.Report))
	h.SetAddressList("To", []*mail.Address{{Address: to}})
	h.SetAddressList("From", []*mail.Address{{Name: "Mail Delivery System", Address: r.From}})
}

// subject names the kind of report and the original's title.
func subject(a *spool.Report) string {
	s := map[spool.Action]string{
		spool.FailedAction:  "Delivery failed",
		spool.DelayedAction: "Delivery delayed",
		spool.RelayedAction: "Accepted for delivery",
	}[a.Action]
	if title := plain(a.Title, 60); title != "" {
		s += ": " + title
	}
	return s
}

// part is a body part of a report.
type part struct {
	kind        string // Content-Type
	encoding    string // Content-Transfer-Encoding
	description string // Content-Description
	body        []byte // encoded
}

// assemble writes header and parts (RFC 6522, section 3) into m. The boundary
// depends on all parts, so none contains it.
func (r Reporter) assemble(m *smarthost.Message, n spool.Notice, parts []part) {
	sum := sha256.New()
	encoding := "7bit"
	for _, p := range parts {
		sum.Write(p.body)
		if p.encoding == "8bit" {
			m.EightBit = true
			encoding = "8bit"
		}
		m.UTF8 = m.UTF8 || p.kind == "message/global"
	}
	m.UTF8 = m.UTF8 || !smarthost.IsASCII(m.To.Path)
	boundary := "=_" + hex.EncodeToString(sum.Sum(nil)[:15])
	var header mail.Header
	header.Set("Content-Transfer-Encoding", encoding)
	header.SetContentType("multipart/report", map[string]string{"report-type": "delivery-status", "boundary": boundary})
	r.setHeader(&header, n, m.To.Path)

	// message.Writer drops the Content-Transfer-Encoding of a multipart, which an
	// 8-bit part needs (RFC 2045, section 6.4); so textproto's writers serve. They
	// write into memory, and no value holds a line end: they cannot fail.
	var b bytes.Buffer
	_ = textproto.WriteHeader(&b, header.Header.Header)
	b.WriteString("This is a delivery status notification (RFC 3464).\r\n\r\n")
	w := textproto.NewMultipartWriter(&b)
	_ = w.SetBoundary(boundary)
	for _, p := range parts {
		var h textproto.Header
		h.Set("Content-Transfer-Encoding", p.encoding)
		h.Set("Content-Description", p.description)
		h.Set("Content-Type", p.kind)
		body, _ := w.CreatePart(h)
		_, _ = body.Write(p.body)
	}
	_ = w.Close()
	m.Text = b.Bytes()
}
