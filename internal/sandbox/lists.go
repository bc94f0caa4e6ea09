package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	pageSize = 30  // messages on a page where nothing is asked
	maxPage  = 100 // messages on a page, whatever is asked
)

// inboxes answers GET /v1/inboxes.
func (s *Sandbox) inboxes(t *team) reply {
	list := []any{}
	for _, inbox := range t.Inboxes {
		var members any = ids(inbox.Members)
		if s.o.Modes.MemberObjects {
			members = objects(inbox.Members)
		}
		list = append(list, map[string]any{
			"id": inbox.ID, "name": inbox.Name, "team": t.ID, "members": members, "phone": "", "phones": []any{},
		})
	}
	return jsonReply(http.StatusOK, list)
}

// team answers GET /v1/team: everybody who is a member of an inbox.
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

// conversation answers GET /v1/conversations/{id}.
func (s *Sandbox) conversation(t *team, id string) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, _ := strconv.ParseInt(id, 10, 64) // 0 is nobody's
	c := s.conversations[n]
	if c == nil || c.team != t || c.gone {
		return errorReply(http.StatusNotFound, "there is no conversation "+id)
	}
	return jsonReply(http.StatusOK, map[string]any{
		"id": c.id, "inbox": c.inbox, "channel": "email", "status": "open", "name": c.title,
		"target": c.participants[0], "blocked": false, "members": []any{},
	})
}

// messagesAll answers POST /v1/messages/all: those created before the cursor.
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
	return s.carry(c.fault, func() reply {
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
		if m.team != t || now.Sub(m.date) < s.o.Modes.ListLag || !before.IsZero() && !m.date.Before(before) {
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

// time takes an RFC 3339 time, zero where there is none.
func (f *form) time(name string) time.Time {
	s, ok := f.text(name)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		f.fail(name, "is not a time as in RFC 3339")
	}
	return t
}
