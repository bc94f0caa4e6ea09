package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"heyrelay/internal/backend"
	"heyrelay/internal/spool"
)

// shownBytes is how much of a text a page shows; the rest can be downloaded.
const shownBytes = 256 << 10

// refreshHeader is in the requests of console.js, which replaces live parts of a page. The content of
// a message, which can be large, is none: it never changes.
const refreshHeader = "X-Refresh"

// messagePage shows one message.
type messagePage struct {
	frame
	Message  messageItem
	States   []string // of its requests, each once
	Announce string
	Verbs    []verbLink
	Warnings []warning
	Files    []attachmentItem
	Revoke   string // leads to the end of the links to Files; "" if none can be used
	Requests []requestItem
	Views    []option
	Gone     string // why there is no content
	Frame    string // address of the document of the HTML frame
	Texts    []text
	Pair     []text // side by side
}

type messageItem struct {
	QueueID, Title, Sender, Client, Route, RouteLink, Team string
	Inbox                                                  int64
	Accepted                                               instant
}

// verbLink leads to the confirmation of an action.
type verbLink struct {
	Text, Link string
	Bad        bool
}

// warning is one of the conversion's, as the intake stores it.
type warning struct{ Code, Part, Detail string }

// requestItem is one request of the message.
type requestItem struct {
	N                                         int
	Name, State, Reason, Advice               string
	Unknown                                   bool
	Recipients                                []string
	Conversation, Decision, LocalID, Priority string
	ConvoID, MessageID                        int64
	Due                                       instant
	Attempts                                  []attemptItem
}

type attemptItem struct {
	N                                        int
	Class, Result, Call, Took, Reason, APIID string
	Began                                    instant
}

// text is a piece of a message to be read as it is.
type text struct{ Title, Note, Label, Text, Download string }

func (c *console) message(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	m, err := c.Operator.Show(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	p := messagePage{
		frame: frameOf(c, r, "messages"),
		Message: messageItem{
			QueueID:   m.QueueID,
			Title:     titleOf(m.Title),
			Sender:    senderOf(m.Sender),
			Client:    m.Client,
			Route:     m.Route,
			RouteLink: "/messages?" + url.Values{"route": {m.Route}}.Encode(),
			Team:      m.Team,
			Inbox:     m.Inbox,
			Accepted:  c.instant(m.Accepted),
		},
		Warnings: warningsOf(m.Warnings),
		Files:    c.attachmentItems(m),
		Revoke:   c.revokeLink(m),
		Verbs:    verbsFor(m),
	}
	for i, q := range m.Requests {
		p.Requests = append(p.Requests, c.requestItem(q, i+1, len(m.Requests)))
		if !slices.Contains(p.States, q.State) {
			p.States = append(p.States, q.State)
		}
	}
	p.Announce = "State: " + strings.Join(p.States, ", ")
	if r.Header.Get(refreshHeader) == "" {
		err = c.content(ctx, &p, m, r.URL.Query().Get("view"))
	}
	if err != nil {
		return err
	}
	return c.render(w, http.StatusOK, "message", p)
}

// messageLink leads to the page of a message.
func messageLink(queueID string) string { return "/messages/" + url.PathEscape(queueID) }

func senderOf(sender string) string {
	if sender == "" {
		return "<> (a report, or an automatic reply)"
	}
	return sender
}

// warningsOf reads the warnings of the conversion.
func warningsOf(stored []byte) (all []warning) {
	if err := json.Unmarshal(stored, &all); err != nil && len(stored) > 0 {
		return []warning{{Detail: string(stored)}}
	}
	return all
}

// verbsFor are the actions that would change something.
func verbsFor(m spool.MessageDetail) (all []verbLink) {
	at := url.Values{"id": {m.QueueID}, "back": {messageLink(m.QueueID)}}.Encode()
	for _, name := range backend.Actions {
		if slices.ContainsFunc(m.Requests, func(r spool.RequestDetail) bool { return verbs[name].changes(r.Entry) }) {
			all = append(all, verbLink{Text: verbs[name].name + "…", Link: "/actions/" + name + "?" + at, Bad: name == "drop"})
		}
	}
	return all
}

func (c *console) requestItem(r spool.RequestDetail, n, of int) requestItem {
	item := requestItem{
		N:            n,
		Name:         "Request",
		State:        r.State,
		Reason:       r.Reason,
		Advice:       adviceFor(r.Entry),
		Unknown:      r.Unknown,
		Conversation: fmt.Sprintf("/conversations/%d", r.Conversation),
		Decision:     "opens a conversation",
		LocalID:      r.LocalID,
		Priority:     r.Priority,
		ConvoID:      r.ConvoID,
		MessageID:    r.MessageID,
		Due:          c.instant(r.Due),
	}
	if of > 1 {
		item.Name = fmt.Sprintf("Request %d of %d", n, of)
	}
	if r.Joined {
		item.Decision = "continues a conversation"
	}
	if r.By != "" {
		item.Decision += ", found by " + r.By
	}
	for _, a := range r.To {
		item.Recipients = append(item.Recipients, "to:"+a)
	}
	for _, a := range r.Cc {
		item.Recipients = append(item.Recipients, "cc:"+a)
	}
	if len(r.Tries) > 0 && r.Tries[len(r.Tries)-1].Reason == item.Reason {
		item.Reason = "" // the attempt has it
	}
	for _, a := range r.Tries {
		item.Attempts = append(item.Attempts, c.attemptItem(a, r.Smarthost))
	}
	return item
}

// adviceFor says what comes next, and what a person can do.
func adviceFor(e spool.Entry) string {
	switch e.State {
	case spool.Failed.String():
		return "It is not sent unless you retry it. Fix the cause first."
	case spool.Flagged.String():
		return "The API accepted it, but did not queue it: look for it in Heymarket."
	case spool.Deferred.String():
		return "heyrelay retries it automatically. Retry tries it now."
	case spool.Shadowed.String():
		return "It was passed on to the current mail server. The JSON shows what would have been sent."
	case spool.Dropped.String():
		return "It is not sent unless you retry it."
	case spool.Held.String():
		if e.HoldLevel == spool.RequestLevel {
			return "Release it, or drop it."
		}
		return "It is sent when the hold of its " + e.HoldLevel + " ends: see the overview."
	}
	return ""
}

func (c *console) attemptItem(a spool.AttemptDetail, bySmarthost bool) attemptItem {
	item := attemptItem{
		N:      a.N,
		Class:  "bad",
		Result: "no response",
		Call:   a.Call,
		Reason: a.Reason,
		APIID:  a.APIID,
		Began:  c.instant(a.Began),
	}
	switch {
	case a.Status != 0 && bySmarthost:
		item.Result = fmt.Sprint(a.Status)
	case a.Status != 0:
		item.Result = fmt.Sprintf("HTTP %d %s", a.Status, http.StatusText(a.Status))
	}
	if a.Status >= 200 && a.Status < 300 && !a.Unknown {
		item.Class = "good"
	}
	if a.Unknown {
		item.Result += ", outcome unknown"
	}
	if a.Ended.IsZero() {
		item.Class = ""
		item.Result = "active, or its outcome was not recorded"
		return item
	}
	item.Took = short(a.Ended.Sub(a.Began))
	return item
}

// The forms in which a message can be seen.
const (
	viewHTML    = ""
	viewText    = "text"
	viewJSON    = "json"
	viewHeader  = "header"
	viewSource  = "source"
	viewSandbox = "sandbox"
)

// content adds what the message contains, in the chosen form.
func (c *console) content(ctx context.Context, p *messagePage, m spool.MessageDetail, view string) error {
	at := messageLink(m.QueueID)
	forms := []option{
		{viewHTML, "HTML", at, false},
		{viewText, "Text", at + "?view=text", false},
		{viewJSON, "JSON", at + "?view=json", false},
		{viewHeader, "Header", at + "?view=header", false},
		{viewSource, "Source", at + "?view=source", false},
	}
	if c.Sandbox != "" {
		forms = append(forms, option{viewSandbox, "Received, sent", at + "?view=sandbox", false})
	}
	for i := range forms {
		forms[i].Chosen = forms[i].Value == view
	}
	p.Views = forms
	content, err := c.Operator.Content(ctx, m.QueueID)
	if errors.Is(err, spool.ErrNotFound) {
		p.Gone = "The content is no longer kept (retention.content)."
		return nil
	}
	if err != nil {
		return err
	}
	switch view {
	case viewText:
		p.Texts = []text{text{Label: "Plain text", Text: content.Text}.cut("")}
	case viewJSON:
		p.Texts, err = c.bodies(ctx, m)
	case viewHeader:
		p.Texts = []text{{Label: "Header", Text: headerOf(content.Raw)}}
	case viewSource:
		p.Texts = []text{sourceOf(content, at)}
	case viewSandbox:
		source := sourceOf(content, at)
		source.Title = "Received by SMTP"
		p.Pair, err = c.received(ctx, m)
		p.Pair = slices.Insert(p.Pair, 0, source)
	default:
		p.Frame = at + "/html"
	}
	return err
}

func sourceOf(content spool.Content, at string) text {
	if content.Raw == nil {
		return text{Note: "The source was not kept."}
	}
	return text{Label: "Source", Text: string(content.Raw), Download: at + "/source"}.cut(at + "/source")
}

// cut shortens a text that is too long for a page, and makes it readable in any case.
func (t text) cut(whole string) text {
	if len(t.Text) > shownBytes {
		t.Note = fmt.Sprintf("The first %d KB of %d.", shownBytes>>10, len(t.Text)>>10)
		t.Text = t.Text[:shownBytes]
		t.Download = whole
	}
	if !utf8.ValidString(t.Text) {
		t.Text = strings.ToValidUTF8(t.Text, "\uFFFD")
	}
	return t
}

// headerOf is a message up to its empty line.
func headerOf(raw []byte) string {
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	return strings.ToValidUTF8(string(head[:min(len(head), shownBytes)]), "\uFFFD")
}

// bodies are the JSON bodies of the message's requests.
func (c *console) bodies(ctx context.Context, m spool.MessageDetail) (all []text, err error) {
	tasks, err := c.Operator.Sends(ctx, m.QueueID)
	if err != nil {
		return nil, err
	}
	for i, task := range tasks {
		body, err := c.Body(task)
		if err != nil {
			return nil, err
		}
		if body == nil {
			all = append(all, text{
				Title: fmt.Sprintf("Request %d of %d", i+1, len(tasks)),
				Label: fmt.Sprintf("Request %d", i+1),
				Note:  "It leaves by the smarthost of its route: the source, without Bcc and X-Heymarket-*. The API gets nothing.",
			})
			continue
		}
		t := text{
			Label: fmt.Sprintf("Request %d as JSON", i+1),
			Note:  "POST /v1/email/send. Indented here; the download is as it is sent.",
			Text:  indented(body),
		}
		at := fmt.Sprintf("%s/%d/json", messageLink(m.QueueID), i+1)
		if len(tasks) > 1 {
			t.Title = fmt.Sprintf("Request %d of %d", i+1, len(tasks))
		}
		t.Download = at
		all = append(all, t.cut(at))
	}
	return all, nil
}

func indented(body []byte) string {
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		return string(body)
	}
	return b.String()
}

// messageHTML answers with the document of the frame.
func (c *console) messageHTML(w http.ResponseWriter, r *http.Request) error {
	content, err := c.Operator.Content(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return writeFrame(w, content.HTML)
}

// messageSource answers with the message as it was received.
func (c *console) messageSource(w http.ResponseWriter, r *http.Request) error {
	content, err := c.Operator.Content(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if content.Raw == nil {
		return spool.ErrNotFound
	}
	download(w, "text/plain", r.PathValue("id")+".eml", content.Raw)
	return nil
}

// messageJSON answers with the body of a request as it is sent.
func (c *console) messageJSON(w http.ResponseWriter, r *http.Request) error {
	tasks, err := c.Operator.Sends(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 1 || n > len(tasks) {
		return spool.ErrNotFound
	}
	body, err := c.Body(tasks[n-1])
	if err != nil {
		return err
	}
	if body == nil {
		return spool.ErrNotFound
	}
	download(w, "application/json", fmt.Sprintf("%s-%d.json", r.PathValue("id"), n), body)
	return nil
}

// download answers with a file that a browser stores, and never shows.
func download(w http.ResponseWriter, kind, name string, content []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	h.Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content) // the client may have gone
}

const (
	sandboxPatience = 5 * time.Second
	sandboxMost     = 64 << 20 // bytes of the sandbox's list
)

// received asks the demo's sandbox what it received of a message.
func (c *console) received(ctx context.Context, m spool.MessageDetail) (all []text, err error) {
	ctx, cancel := context.WithTimeout(ctx, sandboxPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Sandbox+"/sandbox/messages", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return []text{{Title: "Received by the sandbox", Note: "The sandbox does not respond: " + err.Error()}}, nil
	}
	defer response.Body.Close()
	var list []struct {
		ID      int64           `json:"id"`
		ConvoID int64           `json:"convo_id"`
		Request json.RawMessage `json:"request"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, sandboxMost)).Decode(&list); err != nil {
		return nil, fmt.Errorf("list of the sandbox: %w", err)
	}
	for _, r := range m.Requests {
		t := text{Title: "Received by the sandbox", Label: "Received by the sandbox", Note: "Nothing yet."}
		for _, one := range list {
			var body struct {
				LocalID string `json:"local_id"`
			}
			if json.Unmarshal(one.Request, &body) == nil && body.LocalID == r.LocalID {
				t.Note = fmt.Sprintf("Message %d of conversation %d.", one.ID, one.ConvoID)
				t.Text = indented(one.Request)
			}
		}
		all = append(all, t.cut(""))
	}
	return all, nil
}
