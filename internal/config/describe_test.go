package config_test

import (
	"bytes"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"heyrelay/internal/config"
)

// TestExampleFile compares the example at the top of the repository with the one
// that the structs give.
func TestExampleFile(t *testing.T) {
	compare(t, "../../config.example.yaml", string(config.Example()))
}

// parseExample parses an example in dir, which keys made.
func parseExample(t *testing.T, dir, text string) *config.Config {
	text = strings.ReplaceAll(text, "/run/secrets/heyrelay_events", "hook")
	text = strings.ReplaceAll(text, "/run/secrets/heyrelay_token", "hook")
	text = regexp.MustCompile(`heymarket_key|/run/secrets/\w+`).ReplaceAllString(text, "key")
	c, err := config.Parse(filepath.Join(dir, "heyrelay.yaml"), []byte(text), lookup(map[string]string{"HASH": hash}))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

// TestExampleWorks wants the example to be the smallest configuration: nothing in
// force but defaults.
func TestExampleWorks(t *testing.T) {
	dir := keys(t)
	smallest := parseExample(t, dir, `
teams: {shop: {secrets: [{id: 74f80a77, key_file: key}]}}
routes: [{inbox: 202, creator_id: 55}]
`)
	example := parseExample(t, dir, string(config.Example()))
	if !bytes.Equal(smallest.Masked(), example.Masked()) {
		t.Errorf("got\n%s\nwant\n%s", example.Masked(), smallest.Masked())
	}
	if w := example.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %q", w)
	}
}

// TestExampleUncommented takes the # from every key, save for those that exclude
// another.
func TestExampleUncommented(t *testing.T) {
	text := string(config.Example())
	others := regexp.MustCompile(`(?m)^ *# *((key|secret|secret_access_key|password|token): \$|` +
		`access_key_id|secret_access_key_file|api_key|api_key_file: ).*\n`)
	text = others.ReplaceAllString(text, "")
	text = regexp.MustCompile(`(?m)^( *)#([a-z_]+:|  )`).ReplaceAllString(text, "$1$2")
	text = strings.Replace(text, "recipients: envelope", "recipients: headers", 1)
	c := parseExample(t, keys(t), text)
	r := c.Routes[0]
	if c.Hostname != "relay.example.com" || r.Name != "support" || r.ThreadBySubject.String() != `\[#(\d+)\]` {
		t.Errorf("the examples are not in force:\n%s", c.Masked())
	}
}

// TestExampleExplains wants a comment before every key.
func TestExampleExplains(t *testing.T) {
	if regexp.MustCompile(`(?m)^\s*#\s*$\n\s*#?[a-z_]+:`).Match(config.Example()) {
		t.Error("a key has no comment, or its file is not in structs")
	}
}

// TestChoices compares the constants with what the tags allow.
func TestChoices(t *testing.T) {
	for _, c := range []struct {
		of        any
		field     string
		constants []string
	}{
		{config.Config{}, "BareLF", []string{config.BareLFRepair, config.BareLFRefuse}},
		{config.Listener{}, "TLS", []string{config.TLSNone, config.TLSStart, config.TLSImplicit}},
		{config.Team{}, "QueuedFalse", []string{config.QueuedFalseFlag, config.QueuedFalseFail}},
		{config.Route{}, "Priority", []string{config.PriorityHigh, config.PriorityNormal, config.PriorityBulk}},
		{config.Route{}, "Recipients", []string{config.RecipientsEnvelope, config.RecipientsHeaders}},
		{config.Route{}, "BCC", []string{config.BCCSeparate, config.BCCReject}},
		{config.Route{}, "Attachments", []string{
			config.AttachmentsReject, config.AttachmentsLink, config.AttachmentsSmarthost, config.AttachmentsDrop,
		}},
		{config.Route{}, "InlineImages", []string{config.ImagesEmbed, config.ImagesLink, config.ImagesDrop}},
		{config.Route{}, "ReplySubject", []string{config.SubjectChanged, config.SubjectAlways, config.SubjectNever}},
		{config.Route{}, "Join", []string{config.JoinAlways, config.JoinNever}},
		{config.Events{}, "Kinds", []string{
			config.EventFailed, config.EventFlagged, config.EventHeld,
			config.EventReleased, config.EventBacklog, config.EventOldest,
		}},
		{config.Log{}, "Format", []string{config.LogText, config.LogJSON}},
	} {
		f, _ := reflect.TypeOf(c.of).FieldByName(c.field)
		if tag := strings.Split(f.Tag.Get("oneof"), "|"); !slices.Equal(tag, c.constants) {
			t.Errorf("%T.%s: the tag has %q, the constants are %q", c.of, c.field, tag, c.constants)
		}
	}
}
