package console

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"heyrelay/internal/spool"
)

// found is a page of a list.
type found struct {
	spool.Page
	as reading // how the search was understood, the zero reading without one
}

// reading is a way to understand what somebody searches for.
type reading struct{ name, text string }

func (r reading) apply(f *spool.Filter) { names[r.name](f, r.text) }

// String returns a search that can be understood in this way only.
func (r reading) String() string { return r.name + ":" + r.text }

// names begin a search that is to be understood in one way.
var names = map[string]func(*spool.Filter, string){
	"recipient":  func(f *spool.Filter, text string) { f.Recipient = text },
	"message-id": func(f *spool.Filter, text string) { f.MessageID = text },
	"queue id":   func(f *spool.Filter, text string) { f.QueueIDs = []string{strings.ToUpper(text)} },
	"local_id":   func(f *spool.Filter, text string) { f.LocalID = text },
	"convo_id":   func(f *spool.Filter, text string) { f.ConvoID, _ = strconv.ParseInt(text, 10, 64) },
	"subject":    func(f *spool.Filter, text string) { f.Subject = text },
}

var (
	queueIDForm = regexp.MustCompile(`^(?i)[0-9A-V]{16}$`)
	numberForm  = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)
	localIDForm = regexp.MustCompile(`^(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// named divides a search that begins with one of names.
func named(q string) (as reading, ok bool) {
	name, text, ok := strings.Cut(q, ":")
	as = reading{strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(text)}
	return as, ok && names[as.name] != nil
}

// faultOf says why a search cannot be carried out, "" if it can. One that says nothing would find everything.
func faultOf(q string) string {
	as, ok := named(q)
	switch {
	case ok && as.text == "":
		return "Write what to look for after " + as.name + ":"
	case ok && as.name == "convo_id" && !numberForm.MatchString(as.text):
		return "A convo_id is a number: " + as.text
	}
	return ""
}

// readings returns the ways to understand a search, likely ones first; nil for none.
func readings(q string) (all []reading) {
	q = strings.TrimSpace(q)
	if q == "" {
		return nil
	}
	if as, ok := named(q); ok {
		return []reading{as}
	}
	switch {
	case strings.HasPrefix(q, "<"):
		return []reading{{"message-id", q}}
	case strings.Contains(q, "@"):
		return []reading{{"recipient", q}, {"message-id", q}}
	case localIDForm.MatchString(q):
		all = append(all, reading{"local_id", q})
	case queueIDForm.MatchString(q):
		all = append(all, reading{"queue id", q})
	case numberForm.MatchString(q):
		all = append(all, reading{"convo_id", q})
	}
	return append(all, reading{"subject", q})
}

// find returns the requests that match, from the one with a number on. Of the ways to understand
// q, the first counts that finds something.
func (c *console) find(ctx context.Context, f spool.Filter, q string, from int64) (found, error) {
	f.Older = from
	f.Limit = pageSize
	ways := readings(q)
	if ways == nil {
		page, err := c.Operator.Search(ctx, f)
		return found{Page: page}, err
	}
	var last found
	for _, way := range ways {
		one := f
		way.apply(&one)
		page, err := c.Operator.Search(ctx, one)
		if errors.Is(err, spool.ErrNotFound) {
			last = found{as: way} // no message has this queue id
			continue
		}
		if err != nil {
			return found{}, err
		}
		last = found{page, way}
		if len(page.Entries) > 0 {
			break
		}
	}
	return last, nil
}

// resolve returns f restricted to what q stands for, and a search that stands for nothing else.
func (c *console) resolve(ctx context.Context, f spool.Filter, q string) (spool.Filter, string, error) {
	all, err := c.find(ctx, f, q, 0)
	if err != nil || all.as == (reading{}) {
		return f, q, err
	}
	all.as.apply(&f)
	return f, all.as.String(), nil
}

// A confirmation looks at up to countedPages pages of countedEach requests.
const (
	countedPages = 5
	countedEach  = 1000
)

// countFor returns how many requests an action would change. more says that there are so many
// that they were not all looked at.
func (c *console) countFor(ctx context.Context, f spool.Filter, v verb) (n int, more bool, err error) {
	f.Limit = countedEach
	for range countedPages {
		page, err := c.Operator.Search(ctx, f)
		if err != nil {
			return 0, false, err
		}
		for _, e := range page.Entries {
			if v.changes(e) {
				n++
			}
		}
		if !page.More || page.Older == 0 {
			return n, false, nil
		}
		f.Older = page.Older
	}
	return n, true, nil
}

// counted returns how many requests the ledger has in the states of a filter, if it is about
// nothing but states and a route.
func (c *console) counted(ctx context.Context, t target) (n int, ok bool, err error) {
	for _, key := range []string{"q", "since", "until", "id"} {
		if t.query.Has(key) {
			return 0, false, nil
		}
	}
	routes, err := c.Operator.Stats(ctx)
	if err != nil {
		return 0, false, err
	}
	for _, r := range routes {
		if t.filter.Route != "" && t.filter.Route != r.Route {
			continue
		}
		for _, state := range t.filter.States {
			n += r.States[state.String()]
		}
	}
	return n, true, nil
}
