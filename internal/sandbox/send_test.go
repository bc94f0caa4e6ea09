package sandbox_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"heyrelay/internal/sandbox"
)

// TestSend sends each request in testdata/send to a sandbox in which conversation
// 9001 is in inbox 202, 9002 in inbox 203, and 9003 belongs to another team.
func TestSend(t *testing.T) {
	files, _ := filepath.Glob("testdata/send/*.txtar")
	if len(files) < 50 {
		t.Fatalf("only %d cases", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := make(map[string]string)
			for _, f := range ar.Files {
				parts[f.Name] = strings.TrimSuffix(string(f.Data), "\n")
			}
			at := clock{start}
			s := sandbox.New(sandbox.Options{
				Teams:         []sandbox.Team{sandbox.DemoTeam(), otherTeam()},
				MaxRecipients: 5,
				Now:           at.now,
			})
			send(t, s, opener("ann@example.com", "before-1"))
			send(t, s, strings.Replace(opener("ann@example.com", "before-2"), "202", "203", 1))
			foreign := `{"creator_id": 70, "inbox": 301, "text": "Hi", "targets": ["to:ann@example.com"]}`
			request(s, "POST", "/v1/email/send", foreign, "Authorization: Bearer other-key")

			fields := []string{"Authorization: Bearer " + sandbox.DemoAPIKey}
			if parts["header"] != "" {
				fields = append(fields, parts["header"])
			}
			status, _, answer := request(s, "POST", "/v1/email/send", parts["request"], fields...)
			got := fmt.Sprintf("%d %s", status, answer)
			if got != parts["answer"] {
				t.Errorf("%s\ngot  %s\nwant %s", ar.Comment, got, parts["answer"])
			}
			if n := len(s.Messages()); (status == 200) != (n == 4) {
				t.Errorf("%d, and then there are %d messages", status, n)
			}
			if *update {
				ar.Files[len(ar.Files)-1].Data = []byte(got + "\n")
				if err := os.WriteFile(file, txtar.Format(ar), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestRepeatIsOneMessage(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	first := send(t, s, opener("ann@example.com", "l-1"))
	if again := send(t, s, opener("ann@example.com", "l-1")); again != first {
		t.Errorf("the repeat got %v, not %v", again, first)
	}
	if other := send(t, s, opener("bob@example.com", "l-1")); other != first {
		t.Errorf("the repeat with another body got %v, not %v", other, first)
	}
	if got := s.Stats(); got.Accepted != 1 || got.Repeated != 2 || got.Conflicts != 1 {
		t.Errorf("%+v", got)
	}
}

func TestRepeatAfterTheConversationIsGone(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	convo := send(t, s, opener("ann@example.com", "l-1")).ConvoID
	first := send(t, s, answerTo(convo, "l-2"))
	s.Remove(convo)
	if again := send(t, s, answerTo(convo, "l-2")); again != first {
		t.Errorf("the repeat got %v, not %v", again, first)
	}
}

func TestLocalIDsBelongToTeams(t *testing.T) {
	s := sandbox.New(sandbox.Options{Teams: []sandbox.Team{sandbox.DemoTeam(), otherTeam()}})
	send(t, s, opener("ann@example.com", "l-1"))
	body := strings.NewReplacer("55", "70", "202", "301").Replace(opener("ann@example.com", "l-1"))
	request(s, "POST", "/v1/email/send", body, "Authorization: Bearer other-key")
	if got := s.Messages(); len(got) != 2 || got[0].Team != 7 || got[1].Team != 8 {
		t.Errorf("%+v", got)
	}
}

func TestLocalIDMemory(t *testing.T) {
	at := clock{start}
	s := sandbox.New(sandbox.Options{Now: at.now, Modes: sandbox.Modes{LocalIDMemory: time.Hour}})
	first := send(t, s, opener("ann@example.com", "l-1"))
	at.t = start.Add(time.Hour - time.Second)
	if again := send(t, s, opener("ann@example.com", "l-1")); again != first {
		t.Error("forgotten too soon")
	}
	at.t = start.Add(time.Hour)
	if again := send(t, s, opener("ann@example.com", "l-1")); again == first {
		t.Error("not forgotten")
	}
}

func TestDuplicateStatus(t *testing.T) {
	for _, want := range []int{400, 409} {
		s := sandbox.New(sandbox.Options{Modes: sandbox.Modes{Duplicate: want}})
		send(t, s, opener("ann@example.com", "l-1"))
		status, body := ask(s, "POST", "/v1/email/send", opener("ann@example.com", "l-1"))
		if status != want || !strings.Contains(body, "local_id") {
			t.Errorf("%d %s, not %d", status, body, want)
		}
		if n := len(s.Messages()); n != 1 {
			t.Errorf("%d messages", n)
		}
	}
}

func TestDeadConversations(t *testing.T) {
	for _, test := range []struct{ mode, want int }{{0, 400}, {403, 403}, {404, 404}} {
		s := sandbox.New(sandbox.Options{Modes: sandbox.Modes{Dead: test.mode}})
		gone := send(t, s, opener("ann@example.com", "")).ConvoID
		moved := send(t, s, opener("bob@example.com", "")).ConvoID
		if !s.Remove(gone) || !s.Move(moved, 203) || s.Remove(1) {
			t.Error("Remove or Move reports the wrong thing")
		}
		for _, convo := range []int64{gone, moved} {
			if status, body := ask(s, "POST", "/v1/email/send", answerTo(convo, "")); status != test.want {
				t.Errorf("a reply into %d: %d %s, not %d", convo, status, body, test.want)
			}
		}
		if status, _ := ask(s, "GET", fmt.Sprintf("/v1/conversations/%d", gone), ""); status != 404 {
			t.Errorf("the one that is gone: %d", status)
		}
		if _, body := ask(s, "GET", fmt.Sprintf("/v1/conversations/%d", moved), ""); !strings.Contains(body, `"inbox":203`) {
			t.Errorf("the one that moved: %s", body)
		}
	}
}

func TestMerge(t *testing.T) {
	s := sandbox.New(sandbox.Options{Modes: sandbox.Modes{Merge: true}})
	first := send(t, s, opener("ann@example.com,bob@example.com", "")).ConvoID
	if same := send(t, s, opener("Bob@example.com,ann@EXAMPLE.com", "")).ConvoID; same != first {
		t.Error("the same participants got another conversation")
	}
	if other := send(t, s, opener("ann@example.com", "")).ConvoID; other == first {
		t.Error("other participants got the same conversation")
	}
	s.Remove(first)
	if anew := send(t, s, opener("ann@example.com,bob@example.com", "")).ConvoID; anew == first {
		t.Error("a conversation that is gone was joined")
	}
	plain := sandbox.New(sandbox.Options{})
	one := send(t, plain, opener("ann@example.com", "")).ConvoID
	if two := send(t, plain, opener("ann@example.com", "")).ConvoID; one == two {
		t.Error("merged without Merge")
	}
}
