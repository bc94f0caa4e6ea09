package mimeconv

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"heyrelay/mimeconv/htmltext"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata with the current output")

// golden is the content of the .json file of an .eml file. Texts are lists of lines. Fields of
// the header are compared only if they are in the file.
type golden struct {
	See     string         `json:"see"` // what a reader must see
	Options *goldenOptions `json:"options,omitempty"`
	Error   *goldenError   `json:"error,omitempty"`

	From       *[]string          `json:"from,omitempty"`
	ReplyTo    *[]string          `json:"reply_to,omitempty"`
	To         *[]string          `json:"to,omitempty"`
	Cc         *[]string          `json:"cc,omitempty"`
	Bcc        *[]string          `json:"bcc,omitempty"`
	Resent     *[]string          `json:"resent,omitempty"`
	Date       *string            `json:"date,omitempty"`
	Own        *[]string          `json:"own,omitempty"`
	InReplyTo  *[]string          `json:"in_reply_to,omitempty"`
	References *[]string          `json:"references,omitempty"`
	Received   *int               `json:"received,omitempty"`
	Flags      *[]string          `json:"flags,omitempty"`
	Control    *map[string]string `json:"control,omitempty"`

	Title    string   `json:"title,omitempty"`
	Text     []string `json:"text,omitempty"`
	RawText  []string `json:"raw_text,omitempty"`
	Start    int      `json:"start,omitempty"`
	Links    []string `json:"links,omitempty"` // the attachments that were stored: name, type, size
	Warnings []string `json:"warnings,omitempty"`
}

type goldenOptions struct {
	Attachments  Policy `json:"attachments,omitempty"`
	InlineImages Policy `json:"inline_images,omitempty"`
	LinkAlso     string `json:"link_also,omitempty"` // calendar, message
	Title        string `json:"title,omitempty"`
}

type goldenError struct {
	Kind   string `json:"kind"`
	Detail string `json:"detail"`
}

var kindNames = map[ErrorKind]string{
	ErrAttachment: "attachment", ErrEmpty: "empty", ErrEncrypted: "encrypted",
	ErrTooComplex: "too complex", ErrTooLarge: "too large",
}

// TestGolden converts testdata/NN-name.eml and compares with NN-name.json.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".eml")
		t.Run(filepath.Base(name), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			wanted, err := os.ReadFile(name + ".json")
			if err != nil {
				t.Fatal(err, `: a new case needs at least {"see": "what a reader must see"}`)
			}
			var want golden
			if err := json.Unmarshal(wanted, &want); err != nil {
				t.Fatal(err)
			}
			if want.See == "" || !bytes.HasPrefix(wanted, []byte("{\n  \"see\":")) {
				t.Error(`the first key must be "see": what a reader must see`)
			}
			got := encode(t, convertGolden(t, raw, want))
			if bytes.Equal(got, wanted) {
				return
			}
			if *update {
				if err := os.WriteFile(name+".json", got, 0o644); err != nil {
					t.Fatal(err)
				}
				t.Logf("updated:\n%s", firstDifference(string(wanted), string(got)))
				return
			}
			t.Errorf("differs:\n%s", firstDifference(string(wanted), string(got)))
		})
	}
}

// TestPrivate converts the real mail in testdata/private, which git ignores, and checks only what
// holds for every message.
func TestPrivate(t *testing.T) {
	files, err := filepath.Glob("testdata/private/*.eml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			h, err := ReadHeader(raw)
			checkError(t, err)
			checkHeader(t, h)
			o := Options{Attachments: Drop}
			m, err := Convert(raw, o)
			checkError(t, err)
			if err == nil {
				checkMessage(t, raw, m, o)
			}
		})
	}
}

// convertGolden converts raw with the options of want, and reads the header fields that are in
// want.
func convertGolden(t *testing.T, raw []byte, want golden) golden {
	t.Helper()
	got := golden{See: want.See, Options: want.Options}
	h, err := ReadHeader(raw)
	if err != nil {
		t.Errorf("ReadHeader: %v", err)
	}
	got.header(h, want)
	o := Options{Until: "24 February 2027", Link: func(a Attachment) (string, error) {
		got.Links = append(got.Links, a.Name+" "+a.ContentType+" "+size(a.Size))
		return "https://files.example/" + url.PathEscape(a.Name), nil
	}}
	if want.Options != nil {
		o.Attachments, o.InlineImages, o.Title = want.Options.Attachments, want.Options.InlineImages, want.Options.Title
		o.LinkCalendars = strings.Contains(want.Options.LinkAlso, "calendar")
		o.LinkMessages = strings.Contains(want.Options.LinkAlso, "message")
	}
	m, err := Convert(raw, o)
	var refused *Error
	if errors.As(err, &refused) {
		got.Error = &goldenError{kindNames[refused.Kind], refused.Detail}
		return got
	}
	if err != nil {
		t.Fatal(err)
	}
	links := got.Links
	checkMessage(t, raw, m, o)
	got.Links = links // those of the first time
	got.Title, got.Start = m.Title, m.Start
	got.Text, got.RawText = strings.Split(m.HTML, "\n"), strings.Split(m.Text, "\n")
	for _, w := range m.Warnings {
		got.Warnings = append(got.Warnings, strings.TrimRight(w.Code+" "+w.Part, " ")+": "+w.Detail)
	}
	return got
}

// header fills in the header fields that are in want.
func (g *golden) header(h Header, want golden) {
	ask := func(wanted *[]string, list []string) *[]string {
		if wanted == nil {
			return nil
		}
		if list == nil {
			list = []string{}
		}
		return &list
	}
	g.From = ask(want.From, formatted(h.From))
	g.ReplyTo = ask(want.ReplyTo, formatted(h.ReplyTo))
	g.To = ask(want.To, formatted(h.To))
	g.Cc = ask(want.Cc, formatted(h.Cc))
	g.Bcc = ask(want.Bcc, formatted(h.Bcc))
	g.Own = ask(want.Own, h.Own)
	g.InReplyTo = ask(want.InReplyTo, h.InReplyTo)
	g.References = ask(want.References, h.References)
	var resent, flags []string
	for _, r := range h.Resent {
		resent = append(resent, "to "+strings.Join(formatted(r.To), ", ")+"; cc "+strings.Join(formatted(r.Cc), ", "))
	}
	g.Resent = ask(want.Resent, resent)
	for _, f := range []struct {
		name string
		set  bool
	}{{"message-id", h.HasMessageID}, {"auto-replied", h.AutoReplied}, {"bulk", h.Bulk}} {
		if f.set {
			flags = append(flags, f.name)
		}
	}
	g.Flags = ask(want.Flags, flags)
	if want.Date != nil {
		date := h.Date.Format(time.RFC3339)
		g.Date = &date
	}
	if want.Received != nil {
		n := len(h.Received)
		g.Received = &n
	}
	if want.Control != nil {
		g.Control = &h.Control
	}
}

func formatted(addresses []Address) []string {
	var list []string
	for _, a := range addresses {
		if a.Name == "" {
			list = append(list, a.Addr)
		} else {
			list = append(list, a.Name+" <"+a.Addr+">")
		}
	}
	return list
}

// checkMessage checks what holds for every converted message.
func checkMessage(t *testing.T, raw []byte, m Message, o Options) {
	t.Helper()
	for name, s := range map[string]string{"HTML": m.HTML, "Text": m.Text, "Title": m.Title} {
		if htmltext.IsBlank(s) {
			t.Errorf("%s is blank: %q", name, s)
		}
		if !utf8.ValidString(s) {
			t.Errorf("%s is not valid UTF-8: %q", name, s)
		}
		if strings.ContainsFunc(s, isUnclean) {
			t.Errorf("%s has control characters: %q", name, s)
		}
	}
	if strings.Contains(m.Title, "\n") || utf8.RuneCountInString(m.Title) > maxTitle {
		t.Errorf("Title is not bounded to one line: %q", m.Title)
	}
	if m.Start < 0 || m.Start > len(m.HTML) || m.Start > 0 && m.HTML[m.Start-1] != '>' {
		t.Errorf("Start is %d", m.Start)
	}
	again, err := Convert(raw, o)
	if err != nil || !reflect.DeepEqual(m, again) {
		t.Errorf("converted again: %v, %+v", err, again)
	}
}

func encode(t *testing.T, g golden) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// firstDifference shows the lines around the first that differ.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			return "want " + strings.Join(w[min(i, len(w)):min(i+4, len(w))], "\n     ") +
				"\ngot  " + strings.Join(g[min(i, len(g)):min(i+4, len(g))], "\n     ")
		}
	}
	return ""
}
