package adminapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"heyrelay/internal/backend"
	"heyrelay/internal/problem"
	"heyrelay/internal/spool"
)

// Action is the body of POST /actions/{action}.
type Action struct {
	Selection
	Reason string `json:"reason"`  // of a hold
	Anew   bool   `json:"anew"`    // of a retry: under a new local_id
	DryRun bool   `json:"dry_run"` // only count what matches
	Expect *int   `json:"expect"`  // do nothing unless so many match
}

// Result is the answer of POST /actions/{action}.
type Result struct {
	Action  string       `json:"action"`
	Matched int          `json:"matched"`
	Moved   *spool.Moved `json:"moved,omitempty"` // absent from a dry run
}

// act counts what matches, and does the action to it unless it is a dry run.
func (s *server) act(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("action")
	if !slices.Contains(backend.Actions, name) {
		return fault{problem.Problem{
			Status: http.StatusNotFound,
			Detail: "there is no action " + strconv.Quote(name),
			Field:  "action",
			Remedy: "use retry, drop, hold or release",
		}}
	}
	var a Action
	if err := readBody(r, &a); err != nil {
		return err
	}
	if a.isEmpty() != a.All {
		return invalid("all", "all cannot be combined with conditions", "give conditions, or only all: true")
	}
	f, err := a.filter("states")
	if err != nil {
		return err
	}
	result := Result{Action: name}
	result.Matched, err = s.Operator.Count(r.Context(), f)
	if err != nil {
		return err
	}
	if a.Expect != nil && *a.Expect != result.Matched {
		return fault{problem.Problem{
			Status: http.StatusConflict,
			Detail: fmt.Sprintf("%d requests match, not %d: nothing was changed", result.Matched, *a.Expect),
			Field:  "expect",
			Remedy: "count again with dry_run, and confirm the new number",
		}}
	}
	if a.DryRun {
		return answer(w, result)
	}
	moved, err := s.Act(r.Context(), backend.Action{Name: name, Reason: a.Reason, Anew: a.Anew}, f)
	result.Moved = &moved
	if err != nil {
		return err
	}
	return answer(w, result)
}

// readBody reads the JSON of a request. A field that is unknown or empty is an error: it may be a
// condition that would not restrict.
func readBody(r *http.Request, into any) error {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return fault{problem.Problem{
			Status: http.StatusUnsupportedMediaType,
			Detail: "the body is not JSON",
			Field:  "Content-Type",
			Remedy: "send JSON as application/json",
		}}
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err = d.Decode(into)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return invalid(wrong.Field, wrong.Field+" cannot be a "+wrong.Value, "see "+Base+"/openapi.json for its type")
	case err != nil:
		return invalid("", "the body cannot be read: "+err.Error(), "see "+Base+"/openapi.json for its fields")
	}
	if _, err := d.Token(); err != io.EOF {
		return invalid("", "the body has more than one JSON value", "send one object")
	}
	return rejectEmpty(text)
}

// rejectEmpty returns an error for a field of an object that has no value. A reason needs none.
func rejectEmpty(object []byte) error {
	var fields map[string]any
	if err := json.Unmarshal(object, &fields); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := fields[name]
		list, isList := value.([]any)
		field := strings.ToLower(name) // Decode knows it in any letter case
		empty := value == nil || value == "" || isList && len(list) == 0 || field == "convo_id" && value == 0.0
		if empty && field != "reason" {
			return invalid(name, name+" is empty", "give it a value, or omit it")
		}
	}
	return nil
}

// HoldRequest is the body of POST /holds: a team or a route.
type HoldRequest struct {
	Team   string `json:"team"` // default: that of the route
	Route  string `json:"route"`
	Reason string `json:"reason"`
}

// at returns what is to be held or released.
func (s *server) at(h HoldRequest) (spool.Destination, error) {
	at := spool.Destination{Team: h.Team, Route: h.Route}
	if at.Route == "" && at.Team == "" {
		return at, invalid("route", "neither a route nor a team is named", "give route or team")
	}
	if at.Team == "" {
		at.Team = s.Routes[at.Route]
	}
	if at.Team == "" {
		return at, invalid("route", "the configuration has no route "+strconv.Quote(at.Route),
			"give the name of a route, or its team")
	}
	return at, nil
}

// hold holds a team or a route of the configuration, also for mail to come.
func (s *server) hold(w http.ResponseWriter, r *http.Request) error {
	var h HoldRequest
	if err := readBody(r, &h); err != nil {
		return err
	}
	at, err := s.at(h)
	if err != nil {
		return err
	}
	if _, known := s.Rates[at.Team]; !known {
		return invalid("team", "the configuration has no team "+strconv.Quote(at.Team), "give the name of a team")
	}
	if team, known := s.Routes[at.Route]; at.Route != "" && (!known || team != at.Team) {
		return invalid("route", "team "+at.Team+" has no route "+strconv.Quote(at.Route),
			"give the name of one of its routes")
	}
	if err := s.Hold(r.Context(), at, h.Reason); err != nil {
		return err
	}
	return s.holds(w, r)
}

// release ends the hold of a team or a route, also one of heyrelay itself.
func (s *server) release(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r, "team", "route", "inbox")
	h := HoldRequest{Team: q.values.Get("team"), Route: q.values.Get("route")}
	at, err := s.at(h)
	at.Inbox = q.number("inbox", 0, 0)
	if err := errors.Join(q.err, err); err != nil {
		return err
	}
	found, err := s.Release(r.Context(), at)
	if err != nil {
		return err
	}
	if !found {
		return fault{problem.Problem{
			Status: http.StatusNotFound,
			Detail: at.Name() + " is not on hold",
			Field:  "route",
			Remedy: "see GET " + Base + "/holds",
		}}
	}
	return s.holds(w, r)
}

// Reloaded is the answer of POST /reload.
type Reloaded struct {
	Changed  []string `json:"changed"`  // the keys whose new values are in force
	Restart  []string `json:"restart"`  // the changed keys that need a restart
	Warnings []string `json:"warnings"` // of the new configuration
}

// reload puts the configuration in force as it is now.
func (s *server) reload(w http.ResponseWriter, r *http.Request) error {
	done, err := s.Reload()
	if err != nil {
		return fault{problem.Problem{
			Status: http.StatusUnprocessableEntity,
			Detail: "the previous configuration stays active: " + err.Error(),
			Remedy: "correct the configuration; heyrelay check validates it",
		}}
	}
	s.Operated(r.Context(), "reload of the configuration")
	return answer(w, Reloaded{list(done.Changed), list(done.Restart), list(done.Warnings)})
}
