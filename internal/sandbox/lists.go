package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	pageSize = 30  // messages in a page by default
	maxPage  = 100 // messages in a page at most
)

// inboxes handles GET /v1/inboxes.
func (s *Sandbox) inboxes(t *team) reply {
	list := []any{}
	for _, inbox := range t.Inboxes {
		var members any = ids(inbox.Members)
		if s.o.Modes.MemberObjects {
			members = objects(inbox.Members)
		}
		list = append(list, map[string]any{
			"id":      inbox.ID,
			"name":    inbox.Name,
			"team":    t.ID,
			"members": members,
			"phone":   "",
			"phones":  []any{},
		})
	}
	return jsonReply(http.StatusOK, list)
}

// team handles GET /v1/team. Its members are those of all inboxes.
func (s *Sandbox) team(t *team) reply {
	var members []Member
	for _, inbox := range t.Inboxes {
		for _, m := range inbox.Members {
			if !slices.Contains(members, m) {
				members = append(members, m)
			}
		}
	}
	return jsonReply(http.StatusOK, map[string]any{"id": t.ID, "name": t.Name, "members": objects(members)})
}

func ids(members []Member) []any {
	list := []any{}
	for _, m := range members {
		list = append(list, m.ID)
	}
	return list
}

func objects(members []Member) []any {
	list := []any{}
	for _, m := range members {
		list = append(list, map[string]any{"id": m.ID, "name": m.Name, "role": "member"})
	}
	return list
}

// conversation handles GET /v1/conversations/{id}.
func (s *Sandbox) conversation(t *team, id string, fault Fault) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, _ := strconv.ParseInt(id, 10, 64) // 0 is never used
	c := s.conversations[n]
	if c == nil || c.team != t || c.gone {
		return errorReply(http.StatusNotFound, "unknown conversation "+id)
	}
	answer := map[string]any{
		"id":      c.id,
		"inbox":   c.inbox,
		"channel": "email",
		"status":  "open",
		"name":    c.title,
		"target":  c.participants[0],
		"blocked": s.o.Modes.Blocked && slices.ContainsFunc(c.participants, s.o.OptedOut),
		"members": []any{},
	}
	if fault == "" {
		fault = s.trigger(c.participants, "", ofLookUps)
	}
	if look := s.faults[fault].look; look != nil {
		look(answer)
	}
	return jsonReply(http.StatusOK, answer)
}

// messagesAll handles POST /v1/messages/all: the messages before the cursor.
func (s *Sandbox) messagesAll(t *team, c call) reply {
	f := readForm(c)
	created, date := f.time("created_at"), f.time("date")
	limit := f.id("limit")
	if err := f.end(); err != nil {
		return errorReply(http.StatusBadRequest, err.Error())
	}
	before := created
	if s.o.Modes.DateCursor {
		before = date
	}
	if limit == 0 {
		limit = pageSize
	}
	return s.perform(c.fault, func() reply {
		return jsonReply(http.StatusOK, s.history(t, before, min(int(limit), maxPage)))
	})
}

// history lists up to limit messages, newest first; before is zero for now.
func (s *Sandbox) history(t *team, before time.Time, limit int) []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	list := []any{}
	for _, m := range slices.Backward(s.messages) {
		if len(list) == limit {
			break
		}
		late := !before.IsZero() && !m.date.Before(before)
		if m.team != t || late || now.Sub(m.date) < s.o.Modes.ListLag {
			continue
		}
		list = append(list, map[string]any{
			"id":           m.id,
			"local_id":     m.localID,
			"conversation": map[string]any{"id": m.convo.id, "inbox": m.convo.inbox, "channel": "email"},
			"status":       "sent",
			"date":         m.date.Format(time.RFC3339Nano),
		})
	}
	return list
}

// time consumes an RFC 3339 time, zero if there is none.
func (f *form) time(name string) time.Time {
	s, ok := f.text(name)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		f.fail(name, "is not an RFC 3339 time")
	}
	return t
}
