package console

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"heyrelay/internal/spool"
)

// found is a page of a list.
type found struct {
	spool.Page
	by string // how the search was understood, "" without one
}

// reading is a way to understand what somebody searches for.
type reading struct {
	name  string
	apply func(*spool.Filter)
}

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

// readings returns the ways to understand a search, likely ones first; nil for none.
func readings(q string) (all []reading) {
	q = strings.TrimSpace(q)
	if q == "" {
		return nil
	}
	if name, text, ok := strings.Cut(q, ":"); ok && names[strings.ToLower(name)] != nil {
		return []reading{readingOf(strings.ToLower(name), strings.TrimSpace(text))}
	}
	switch {
	case strings.HasPrefix(q, "<"):
		all = append(all, readingOf("message-id", q))
	case strings.Contains(q, "@"):
		all = append(all, readingOf("recipient", q), readingOf("message-id", q))
	case localIDForm.MatchString(q):
		all = append(all, readingOf("local_id", q))
	case queueIDForm.MatchString(q):
		all = append(all, readingOf("queue id", q))
	case numberForm.MatchString(q):
		all = append(all, readingOf("convo_id", q))
	}
	return append(all, readingOf("subject", q))
}

func readingOf(name, text string) reading {
	return reading{name, func(f *spool.Filter) { names[name](f, text) }}
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
			continue // no message has this queue id
		}
		if err != nil {
			return found{}, err
		}
		last = found{page, way.name}
		if len(page.Entries) > 0 {
			break
		}
	}
	return last, nil
}

// resolve returns f restricted to what q stands for.
func (c *console) resolve(ctx context.Context, f spool.Filter, q string) (spool.Filter, error) {
	all, err := c.find(ctx, f, q, 0)
	if err != nil || all.by == "" {
		return f, err
	}
	for _, way := range readings(q) {
		if way.name == all.by {
			way.apply(&f)
		}
	}
	return f, nil
}

// countedOne is up to how many requests a confirmation looks at one by one.
const countedOne = 500

// countFor returns how many requests an action would change. capped says that it may be fewer:
// there are so many that they were only counted.
func (c *console) countFor(ctx context.Context, f spool.Filter, v verb) (n int, capped bool, err error) {
	n, err = c.Operator.Count(ctx, f)
	if err != nil || n > countedOne {
		return n, !v.whole, err
	}
	f.Limit = countedOne
	list, err := c.Operator.List(ctx, f)
	list = slices.DeleteFunc(list, func(e spool.Entry) bool { return !v.changes(e) })
	return len(list), false, err
}
