package console

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/backend"
	"heyrelay/internal/spool"
)

// verb is an action on requests.
type verb struct {
	name    string
	done    string // what was done to them
	what    string // what happens then
	states  []spool.State
	whole   bool // it changes all that is in these states
	changes func(spool.Entry) bool
}

// verbs are what pages say of backend.Actions.
var verbs = map[string]verb{
	"retry": {
		name:   "Retry",
		done:   "queued again",
		what:   "They are queued again under the same local_id, so that nothing is sent twice. Deferred ones are tried now.",
		states: []spool.State{spool.Deferred, spool.Held, spool.Failed, spool.Dropped},
		changes: func(e spool.Entry) bool {
			return e.State == spool.Failed.String() || e.State == spool.Dropped.String() ||
				e.State == spool.Deferred.String() || isHeldAlone(e)
		},
	},
	"hold": {
		name:    "Hold",
		done:    "held",
		what:    "They are kept back until you release them. Later messages of their conversations wait, too.",
		states:  idle,
		changes: func(e spool.Entry) bool { return isIdle(e) && !isHeldAlone(e) },
	},
	"release": {
		name:    "Release",
		done:    "released",
		what:    "They are sent as soon as the budget allows. Holds of a route or a team remain.",
		states:  []spool.State{spool.Held},
		changes: isHeldAlone,
	},
	"drop": {
		name:    "Drop",
		whole:   true,
		done:    "dropped",
		what:    "They are not sent. Until retention removes them, a retry queues them again.",
		states:  idle,
		changes: isIdle,
	},
}

func isHeldAlone(e spool.Entry) bool {
	return e.State == spool.Held.String() && e.HoldLevel == spool.RequestLevel
}

// idle are the open states of requests of which no call is running.
var idle = []spool.State{spool.Queued, spool.Ready, spool.Deferred, spool.Held}

func isIdle(e spool.Entry) bool {
	state, err := spool.ParseState(e.State)
	return err == nil && slices.Contains(idle, state)
}

// confirmPage asks before something is done.
type confirmPage struct {
	frame
	Title, Action, Button, Back, Warning, Reason string
	Fields                                       []field
	Facts                                        []string
	AsksReason, Possible, Bad                    bool
}

// field is a hidden field of a form.
type field struct{ Name, Value string }

// target is what an action is about: messages by their ids, or all that match a query.
type target struct {
	query  url.Values // as in the address of the list
	filter spool.Filter
	exact  bool // single messages were chosen
	none   bool // the states that were asked for are none that the action changes
}

// both returns the states that are asked for and possible; nil asks for all.
func both(asked, possible []spool.State) []spool.State {
	if asked == nil {
		return possible
	}
	return slices.DeleteFunc(slices.Clone(possible), func(s spool.State) bool { return !slices.Contains(asked, s) })
}

// mayOnlyRead is a warning before what a user cannot do.
const mayOnlyRead = "Your role is read: you cannot do this."

// maxChosen is how many messages can be chosen one by one.
const maxChosen = 1000

// targetOf reads the target of an action. Of what matches a query, only what was accepted before
// the person was asked is changed.
func (c *console) targetOf(ctx context.Context, query url.Values, v verb) (target, error) {
	t := target{query: without(without(query, doneKeys...), "back", "reason", access.FormField, "from")}
	ids := query["id"]
	if len(ids) > maxChosen {
		return t, badRequest(fmt.Sprintf("At most %d messages can be chosen one by one. Use a filter.", maxChosen))
	}
	if len(ids) > 0 {
		t.exact = true
		t.filter = spool.Filter{QueueIDs: ids}
		t.query = url.Values{"id": ids}
		return t, nil
	}
	if !isFiltered(query) {
		return t, badRequest("Nothing is selected. Select messages in the list, or use a filter.")
	}
	f, problem := filterOf(query)
	if problem != "" {
		return t, badRequest(problem)
	}
	f, q, err := c.resolve(ctx, f, query.Get("q"))
	if err != nil {
		return t, err
	}
	if q != "" {
		t.query.Set("q", q) // it stands for the same when it is confirmed
	}
	asked := c.Now()
	if text := query.Get("asked"); text != "" {
		nanoseconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return t, badRequest("The address of this page is invalid.")
		}
		asked = time.Unix(0, nanoseconds)
	}
	t.query.Set("asked", strconv.FormatInt(asked.UnixNano(), 10))
	if f.Before.IsZero() || f.Before.After(asked) {
		f.Before = asked
	}
	f.States = both(f.States, v.states)
	t.none = len(f.States) == 0
	t.filter = f
	return t, nil
}

func badRequest(text string) error {
	return visible{http.StatusBadRequest, "That did not work", text}
}

// verbOf returns the action that an address names.
func verbOf(r *http.Request) (name string, v verb, err error) {
	name = r.PathValue("verb")
	v, known := verbs[name]
	if !known {
		return name, v, visible{http.StatusNotFound, "No such page", "There is no action " + name + "."}
	}
	return name, v, nil
}

// confirmAction asks before an action, and says how many requests it is about.
func (c *console) confirmAction(w http.ResponseWriter, r *http.Request) error {
	name, v, err := verbOf(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	t, err := c.targetOf(r.Context(), query, v)
	if err != nil {
		return err
	}
	n, what, err := c.howMany(r.Context(), t, v)
	if err != nil {
		return err
	}
	p := confirmPage{
		frame:      frameOf(c, r, "messages"),
		Action:     "/actions/" + name,
		Back:       access.Local(query.Get("back")),
		Fields:     fieldsOf(t.query, query.Get("back")),
		Bad:        name == "drop",
		AsksReason: name == "hold" && n > 0,
		Reason:     spool.OperatorReason,
		Possible:   n > 0 && access.RoleOf(r.Context()) >= access.Operate,
	}
	p.Title = v.name + " " + what + "?"
	p.Button = v.name + " " + what
	p.Facts = []string{v.what}
	if described := describe(t.query); described != "" && !t.exact {
		p.Facts = append(p.Facts, "All that match: "+described+". Mail that arrives later is not affected.")
	}
	switch {
	case n == 0:
		p.Title = "Nothing to " + strings.ToLower(v.name)
		p.Facts = []string{"None of these requests is in a state that " + name + " changes."}
	case !p.Possible:
		p.Warning = mayOnlyRead
	}
	return c.render(w, http.StatusOK, "confirm", p)
}

// howMany returns how many requests an action would change, as a number and in words.
func (c *console) howMany(ctx context.Context, t target, v verb) (n int, words string, err error) {
	if t.none {
		return 0, "", nil
	}
	n, more, err := c.countFor(ctx, t.filter, v)
	if err != nil || !more {
		return n, number(n, "request"), err
	}
	total, ok, err := c.counted(ctx, t)
	switch {
	case err != nil:
		return 0, "", err
	case ok && v.whole:
		return total, number(total, "request"), nil
	case ok:
		return total, "up to " + number(total, "request"), nil
	}
	return n, "at least " + number(n, "request"), nil
}

// describe puts a query in words.
func describe(query url.Values) string {
	var parts []string
	for _, key := range filterKeys {
		if value := query.Get(key); value != "" {
			parts = append(parts, map[string]string{
				"q": "found by", "state": "state", "route": "route", "since": "from", "until": "until",
			}[key]+" "+value)
		}
	}
	return strings.Join(parts, ", ")
}

// fieldsOf are the hidden fields with which a form repeats a query.
func fieldsOf(query url.Values, back string) (all []field) {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range query[name] {
			all = append(all, field{name, value})
		}
	}
	return append(all, field{"back", access.Local(back)})
}

// act does what was confirmed, and goes back.
func (c *console) act(w http.ResponseWriter, r *http.Request) error {
	name, v, err := verbOf(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badRequest("The form could not be read.")
	}
	t, err := c.targetOf(r.Context(), r.PostForm, v)
	if err != nil {
		return err
	}
	if t.none {
		return badRequest("This action does not change requests in these states.")
	}
	ctx := context.WithoutCancel(r.Context()) // half of it would surprise more than all
	moved, err := c.Act(ctx, backend.Action{Name: name, Reason: r.PostForm.Get("reason")}, t.filter)
	if err != nil {
		return err
	}
	http.Redirect(w, r, backWith(r.PostForm.Get("back"), url.Values{
		"done": {v.done}, "n": {strconv.Itoa(moved.Requests)},
		"busy": {strconv.Itoa(moved.Busy)}, "maybe": {strconv.Itoa(moved.MaybeSent)},
	}), http.StatusSeeOther)
	return nil
}

// doneKeys are the keys of a query that say what an action did.
var doneKeys = []string{"done", "n", "busy", "maybe"}

// backWith returns an address to go back to that says what was done.
func backWith(back string, done url.Values) string {
	u, err := url.Parse(access.Local(back))
	if err != nil {
		return "/"
	}
	query := without(u.Query(), doneKeys...)
	for key, values := range done {
		if values[0] != "0" || key == "n" {
			query[key] = values
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// doneOf says what an action did, from the query that backWith made. A link of somebody else can
// only bring these words.
func doneOf(query url.Values) string {
	switch query.Get("done") {
	case holdBegun:
		return "The hold has begun. Mail is accepted and kept."
	case holdEnded:
		return "The hold has ended."
	case noHold:
		return "There was no hold. It may have ended by itself."
	case linksRevoked:
		if n, err := strconv.Atoi(query.Get("n")); err == nil {
			return number(n, "link") + " revoked."
		}
	}
	known := false
	for _, v := range verbs {
		known = known || query.Get("done") == v.done
	}
	n, err := strconv.Atoi(query.Get("n"))
	if !known || err != nil {
		return ""
	}
	text := number(n, "request") + " " + query.Get("done") + "."
	if maybe, err := strconv.Atoi(query.Get("maybe")); err == nil && maybe > 0 {
		text += fmt.Sprintf(" %s may have been sent before: the outcome of an attempt is unknown.", count(maybe))
	}
	if busy, err := strconv.Atoi(query.Get("busy")); err == nil && busy > 0 {
		text += fmt.Sprintf(" %s unchanged, because an attempt is in progress: try again.", count(busy))
	}
	return text
}
