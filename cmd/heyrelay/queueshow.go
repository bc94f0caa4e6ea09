package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/relay"
	"heyrelay/internal/spool"
)

type queueShowCmd struct {
	configured
	QueueID string `arg:"" name:"queue-id" help:"The queue id, from the 250 reply or the log."`
	JSON    bool   `name:"json" xor:"form" help:"Print JSON."`
	Raw     bool   `xor:"form" help:"Print the message as it was received."`
	Body    bool   `xor:"form" help:"Print the text of the message as it is sent."`
	Post    bool   `xor:"form" help:"Print what each request posts to the API, or would post, as JSON."`
}

// Run shows one message.
func (c queueShowCmd) Run(p *program) error {
	return c.read(p, func(r spool.Reader) error {
		if c.Raw || c.Body {
			return c.printContent(p, r)
		}
		if c.Post {
			return c.printPosts(p, r)
		}
		m, err := r.Show(p.ctx, c.QueueID)
		switch {
		case errors.Is(err, spool.ErrNotFound):
			return fmt.Errorf("no message %s in this spool; retention may have removed it", c.QueueID)
		case err != nil:
			return err
		case c.JSON:
			return printMessageJSON(p.stdout, m)
		}
		return printMessage(p.stdout, m)
	})
}

func (c queueShowCmd) printContent(p *program, r spool.Reader) error {
	content, err := r.Content(p.ctx, c.QueueID)
	switch {
	case err != nil:
		return c.explained(err)
	case c.Raw && content.Raw == nil:
		return fmt.Errorf("the source of message %s was not kept", c.QueueID)
	}
	text := strings.TrimSuffix(content.Text, "\n") + "\n"
	if c.Raw {
		text = string(content.Raw)
	}
	if isTerminal(p.stdout) {
		text = printableLines(text)
	}
	_, err = io.WriteString(p.stdout, text)
	return err
}

// printPosts prints what each request posts, one object per line.
func (c queueShowCmd) printPosts(p *program, r spool.Reader) error {
	cfg, err := c.load(p, config.WithoutSecrets)
	if err != nil {
		return err
	}
	posts, err := relay.Posts(p.ctx, cfg, r, c.QueueID)
	if err != nil {
		return c.explained(err)
	}
	return printLines(p, posts)
}

// explained says why there is no content.
func (c queueShowCmd) explained(err error) error {
	if errors.Is(err, spool.ErrNotFound) {
		return fmt.Errorf("no content of message %s in this spool; retention may have removed it", c.QueueID)
	}
	return err
}

func printMessageJSON(out io.Writer, m spool.MessageDetail) error {
	e := newJSON(out)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		spool.MessageDetail
		Warnings json.RawMessage `json:"warnings,omitempty"`
	}{m, m.Warnings})
}

// printMessage prints a message for people.
func printMessage(out io.Writer, m spool.MessageDetail) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		if text := printable(fmt.Sprintf(format, args...)); text != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, text)
		}
	}
	row("Message", "%s", m.QueueID)
	row("Accepted", "%s", when(m.Accepted))
	row("Client", "%s", m.Client)
	row("Sender", "<%s>", m.Sender)
	row("Route", "%s (team %s, inbox %d)", m.Route, m.Team, m.Inbox)
	row("Title", "%s", m.Title)
	for _, text := range warningsOf(m) {
		row("Warning", "%s", text)
	}
	for _, a := range m.Attachments {
		row("Attachment", "%s, %s, %d bytes, link %s until %s", a.Name, a.ContentType, a.Size, a.State(time.Now()),
			when(a.Expires))
	}
	for i, r := range m.Requests {
		fmt.Fprintln(w)
		row("Request", "%d of %d", i+1, len(m.Requests))
		printRequest(row, r)
	}
	return w.Flush()
}

// printRequest prints what is known of a request, and its attempts.
func printRequest(row func(name, format string, args ...any), r spool.RequestDetail) {
	row("State", "%s", stateOf(r.Entry))
	row("Recipients", "%s", addressesOf(r.Entry))
	if r.Smarthost {
		row("Leaves", "unchanged, by the smarthost of route %s", r.Route)
	}
	row("Reason", "%s", r.Reason)
	if !r.Due.IsZero() {
		row("Next attempt", "%s", when(r.Due))
	}
	row("Priority", "%s", r.Priority)
	row("Conversation", "%s", conversationOf(r))
	if r.MessageID != 0 {
		row("API message", "%d", r.MessageID)
	}
	row("local_id", "%s", r.LocalID)
	for _, a := range r.Tries {
		row(fmt.Sprintf("Attempt %d", a.N), "%s", attemptOf(a, r.Smarthost))
	}
}

// conversationOf names the conversation of a request, and why it is that one.
func conversationOf(r spool.RequestDetail) string {
	text := "new"
	if r.Joined {
		text = "joined"
	}
	if r.By != "" {
		text += " by " + r.By
	}
	if r.ConvoID != 0 {
		text += fmt.Sprintf(", convo_id %d", r.ConvoID)
	}
	if r.Opener != "" {
		text += ", opened by " + r.Opener
	}
	return text
}

func attemptOf(a spool.AttemptDetail, bySmarthost bool) string {
	took := "active, or its outcome was not recorded" // its process may have been killed
	if !a.Ended.IsZero() {
		took = "took " + a.Ended.Sub(a.Began).Round(time.Millisecond).String()
	}
	parts := []string{when(a.Began), a.Call, took}
	if a.Status != 0 && !bySmarthost { // whose reason begins with its code
		parts = append(parts, fmt.Sprintf("HTTP %d", a.Status))
	}
	if a.APIID != "" {
		parts = append(parts, "X-Request-Id "+a.APIID)
	}
	if a.Unknown {
		parts = append(parts, "outcome unknown")
	}
	if a.Reason != "" {
		parts = append(parts, a.Reason)
	}
	return strings.Join(parts, ", ")
}

// warningsOf reads the warnings of the conversion.
func warningsOf(m spool.MessageDetail) (list []string) {
	var all []struct{ Code, Part, Detail string }
	if err := json.Unmarshal(m.Warnings, &all); err != nil && len(m.Warnings) > 0 {
		return []string{string(m.Warnings)}
	}
	for _, w := range all {
		text := w.Code
		if w.Part != "" {
			text += " (" + w.Part + ")"
		}
		list = append(list, text+": "+w.Detail)
	}
	return list
}
