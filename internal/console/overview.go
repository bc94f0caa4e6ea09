package console

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"heyrelay/internal/activity"
	"heyrelay/internal/spool"
)

const (
	chartPoints  = 60
	fewFailures  = 5
	recentlyLong = 60 // minutes that count as lately
)

// overviewPage says whether mail flows, and what is stuck and why.
type overviewPage struct {
	frame
	Mood       string // "", "uneasy" or "bad"
	Headline   string
	Verdict    string
	Tiles      []tile
	Nothing    bool // no message was ever accepted
	Try        string
	Holds      []holdItem
	Oldest     *entryItem
	Failures   []entryItem
	Spans      []option
	Charts     []chart
	Budgets    []budget
	Routes     []routeRow
	MoreRoutes int  // that are not shown
	Shadowed   bool // some were
	Points     []pointRow
}

// tile is one total.
type tile struct{ Class, Label, Figure, More, Link string }

// option is a choice among several.
type option struct {
	Value, Text, Link string
	Chosen            bool
}

// holdItem is a hold, and what to do.
type holdItem struct {
	What, Requests, Reason, Advice, By string
	Since, Probe                       instant
	List, Release                      string
}

// routeRow is the ledger of a route.
type routeRow struct {
	Route, Link, Hold                                                 string
	Accepted, Sent, Flagged, Waiting, Held, Failed, Dropped, Shadowed string
}

// pointRow is a point of the charts.
type pointRow struct{ From, Accepted, Sent, Flagged, Failed, Half, Most, Open string }

// totals is the ledger of all routes.
type totals struct{ accepted, sent, flagged, waiting, held, failed, dropped, shadowed int }

func (c *console) overview(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	routes, err := c.Operator.Stats(ctx)
	if err != nil {
		return err
	}
	kept, err := c.Operator.Kept(ctx)
	if err != nil {
		return err
	}
	p := overviewPage{frame: frameOf(c, r, "overview"), Try: c.firstMail()}
	var sum totals
	for _, route := range routes {
		sum.add(totalsOf(route))
	}
	for _, route := range busiest(routes) {
		p.Routes = append(p.Routes, c.rowOf(route.Route, totalsOf(route), isHeld(kept, route.Route)))
	}
	p.MoreRoutes = len(routes) - len(p.Routes)
	p.Nothing = sum.accepted == 0
	p.Shadowed = sum.shadowed > 0
	p.Tiles = c.tiles(sum)
	for _, k := range kept {
		if k.Requests > 0 || k.Level != spool.RequestLevel {
			p.Holds = append(p.Holds, c.holdItem(k))
		}
	}
	if err := c.stuck(ctx, &p, sum); err != nil {
		return err
	}
	c.judge(ctx, &p, sum)
	c.draw(&p, r.URL.Query().Get("span"))
	return c.render(w, http.StatusOK, "overview", p)
}

// stuck adds the message that has been pending longest, and those that failed last.
func (c *console) stuck(ctx context.Context, p *overviewPage, sum totals) error {
	if sum.waiting > 0 {
		e, found, err := c.Operator.Oldest(ctx)
		if err != nil {
			return err
		}
		if found {
			item := c.entryItem(e)
			p.Oldest = &item
		}
	}
	if sum.failed == 0 {
		return nil
	}
	failed, err := c.Operator.Search(ctx, spool.Filter{States: []spool.State{spool.Failed}, Limit: fewFailures})
	for _, e := range failed.Entries {
		p.Failures = append(p.Failures, c.entryItem(e))
	}
	return err
}

// judge puts the state of things in a sentence.
func (c *console) judge(ctx context.Context, p *overviewPage, sum totals) {
	status, reasons := c.Health(ctx)
	lately := c.lately()
	var facts []string
	for _, f := range []struct {
		n    int
		what string
	}{{lately.Sent, "sent"}, {lately.Failed, "failed"}, {lately.Flagged, "flagged"}} {
		if f.n > 0 {
			facts = append(facts, count(f.n)+" "+f.what)
		}
	}
	if facts != nil {
		facts[len(facts)-1] += " in the last hour"
	}
	if sum.waiting > 0 {
		facts = append(facts, count(sum.waiting)+" waiting")
	}
	switch {
	case status == "not serving":
		p.Mood = "bad"
		p.Headline = "No mail is accepted"
	case status == "degraded":
		p.Mood = "uneasy"
		p.Headline = "Mail is accepted, but some is delayed"
	case lately.Failed > 0:
		p.Mood = "uneasy"
		p.Headline = "Mail flows, but some failed"
	case lately.Flagged > 0:
		p.Mood = "uneasy"
		p.Headline = "Mail flows, but Heymarket did not queue some"
	case sum.accepted == 0:
		p.Headline = "Ready for mail"
		facts = []string{"no mail yet"}
	default:
		p.Headline = "Mail flows"
		if facts == nil {
			facts = []string{"nothing is waiting"}
		}
	}
	var sentences []string
	for _, r := range append(reasons, strings.Join(facts, ", ")) {
		sentences = append(sentences, sentence(r))
	}
	p.Verdict = strings.Join(sentences, " ")
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return capital(text) + "."
}

// capital begins with a capital letter.
func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// lately is what happened in the last hour.
func (c *console) lately() point { return parts(c.Activity.Last(recentlyLong), 1)[0] }

func (c *console) tiles(sum totals) []tile {
	lately := c.lately()
	failed := "failed"
	if sum.failed > 0 {
		failed += " some"
	}
	waiting := "nothing is held"
	if sum.held > 0 {
		waiting = count(sum.held) + " held"
	}
	return []tile{
		{"accepted", "Accepted", count(sum.accepted), count(lately.Accepted) + " in the last hour", "/messages"},
		{"sent", "Sent", count(sum.sent), count(lately.Sent) + " in the last hour", "/messages?state=sent"},
		{"waiting", "Waiting", count(sum.waiting), waiting, "/messages?state=waiting"},
		{failed, "Failed", count(sum.failed), count(lately.Failed) + " in the last hour", "/messages?state=failed"},
	}
}

func totalsOf(route spool.RouteStats) totals {
	n := route.States
	return totals{
		accepted: route.Accepted,
		sent:     n[spool.Sent.String()],
		flagged:  n[spool.Flagged.String()],
		waiting:  route.Pending(),
		held:     n[spool.Held.String()],
		failed:   n[spool.Failed.String()],
		dropped:  n[spool.Dropped.String()],
		shadowed: n[spool.Shadowed.String()],
	}
}

func (t *totals) add(o totals) {
	t.accepted += o.accepted
	t.sent += o.sent
	t.flagged += o.flagged
	t.waiting += o.waiting
	t.held += o.held
	t.failed += o.failed
	t.dropped += o.dropped
	t.shadowed += o.shadowed
}

// mostRoutes is how many routes the overview shows.
const mostRoutes = 100

// busiest returns the routes with the most requests where there are too many to show, in the order
// of their names.
func busiest(routes []spool.RouteStats) []spool.RouteStats {
	if len(routes) <= mostRoutes {
		return routes
	}
	some := slices.Clone(routes)
	slices.SortFunc(some, func(a, b spool.RouteStats) int { return cmp.Compare(b.Accepted, a.Accepted) })
	some = some[:mostRoutes]
	slices.SortFunc(some, func(a, b spool.RouteStats) int { return cmp.Compare(a.Route, b.Route) })
	return some
}

// isHeld reports whether a route is on hold as a whole.
func isHeld(kept []spool.Kept, route string) bool {
	return slices.ContainsFunc(kept, func(k spool.Kept) bool {
		return k.Level == spool.RouteLevel && k.Route == route && k.Inbox == 0
	})
}

func (c *console) rowOf(route string, t totals, held bool) routeRow {
	row := routeRow{
		Route:    route,
		Link:     "/messages?" + url.Values{"route": {route}}.Encode(),
		Accepted: count(t.accepted),
		Sent:     count(t.sent),
		Flagged:  count(t.flagged),
		Waiting:  count(t.waiting),
		Held:     count(t.held),
		Failed:   count(t.failed),
		Dropped:  count(t.dropped),
		Shadowed: count(t.shadowed),
	}
	for _, r := range c.Routes {
		if r.Name == route && !held {
			row.Hold = "/destinations/hold?" + url.Values{"team": {r.Team}, "route": {route}, "back": {"/"}}.Encode()
		}
	}
	return row
}

// holdItem describes a hold, and what to do about it.
func (c *console) holdItem(k spool.Kept) holdItem {
	item := holdItem{
		Requests: number(k.Requests, "request"),
		Reason:   k.Reason,
		Since:    c.instant(k.Since),
		Probe:    c.instant(k.Probe),
		By:       "heyrelay",
	}
	if k.Operator {
		item.By = "an operator"
	}
	if k.Level == spool.RequestLevel {
		item.What = "Single requests"
		item.Reason = "They are held individually."
		item.Advice = "Check the reason of each, then release or drop it."
		item.List = "/messages?state=held"
		item.Release = "/actions/release?state=held&back=%2F"
		return item
	}
	item.What = capital(k.Destination().Name())
	at := url.Values{"team": {k.Team}, "back": {"/"}}
	if k.Route != "" {
		at.Set("route", k.Route)
	}
	if k.Inbox != 0 {
		at.Set("inbox", fmt.Sprint(k.Inbox))
	}
	item.Release = "/destinations/release?" + at.Encode()
	item.List = "/messages?" + url.Values{"state": {"held"}, "route": {k.Route}}.Encode()
	item.Advice = "Fix the cause: heyrelay tries again automatically; a release makes it try now."
	if k.Operator {
		item.Advice = "Mail is accepted and kept. Release it when the reason no longer applies; nothing else ends this hold."
	}
	return item
}

// draw adds the charts.
func (c *console) draw(p *overviewPage, chosen string) {
	minutes := 60
	for _, s := range []struct {
		value   string
		minutes int
	}{{"", 60}, {"6h", 360}, {"24h", activity.Span}} {
		link := "/"
		if s.value != "" {
			link += "?span=" + s.value
		}
		is := s.value == chosen
		if is {
			minutes = s.minutes
		}
		p.Spans = append(p.Spans, option{Text: span(s.minutes), Link: link, Chosen: is})
	}
	points := parts(c.Activity.Last(minutes), chartPoints)
	p.Charts = []chart{flowChart(points), delayChart(points), openChart(points)}
	for _, team := range slices.Sorted(maps.Keys(c.Rates)) {
		p.Budgets = append(p.Budgets, budgetChart(team, c.Rates[team], points))
	}
	for _, at := range slices.Backward(points) {
		p.Points = append(p.Points, rowOfPoint(at))
	}
}

func rowOfPoint(p point) pointRow {
	row := pointRow{
		From:     p.Start.Format("15:04"),
		Accepted: count(p.Accepted),
		Sent:     count(p.Sent),
		Flagged:  count(p.Flagged),
		Failed:   count(p.Failed),
		Half:     "–",
		Most:     "–",
		Open:     "–",
	}
	if p.Median > 0 {
		row.Half = short(p.Median)
		row.Most = short(p.P95)
	}
	if p.Pending >= 0 {
		row.Open = count(p.Pending)
	}
	return row
}

// parts joins minutes into n points of equal length. The durations of a point are those of its
// slowest minute.
func parts(minutes []activity.Minute, n int) []point {
	each := len(minutes) / n
	all := make([]point, n)
	for i := range all {
		some := minutes[i*each : (i+1)*each]
		all[i] = point{Minute: activity.Minute{Start: some[0].Start, Pending: -1, Calls: map[string]int{}}, Minutes: each}
		for _, m := range some {
			all[i].add(m)
		}
	}
	return all
}

func (p *point) add(m activity.Minute) {
	p.Accepted += m.Accepted
	p.Refused += m.Refused
	p.Sent += m.Sent
	p.Flagged += m.Flagged
	p.Failed += m.Failed
	p.Pending = max(p.Pending, m.Pending)
	p.Median = max(p.Median, m.Median)
	p.P95 = max(p.P95, m.P95)
	for team, n := range m.Calls {
		p.Calls[team] += n
	}
}

// firstMail is the command that sends a first mail.
func (c *console) firstMail() string {
	listeners := c.SMTP()
	if len(listeners) == 0 {
		return ""
	}
	to := "--server "
	if listeners[0].Network() == "unix" {
		to = "--socket "
	}
	return "swaks " + to + listeners[0].String() + " --from app@example.com --to alice@example.com \\\n" +
		"  --header 'Subject: Printer on fire' --body 'It burns.'"
}

// entryItem is a request in a list.
type entryItem struct {
	QueueID, Link, State, Title, Recipients, Route, Reason string
	Accepted                                               instant
	Unknown                                                bool
}

func (c *console) entryItem(e spool.Entry) entryItem {
	item := entryItem{
		QueueID:    e.QueueID,
		Link:       messageLink(e.QueueID),
		State:      e.State,
		Title:      titleOf(e.Title),
		Recipients: fewOf(slices.Concat(e.To, e.Cc)),
		Route:      e.Route,
		Accepted:   c.instant(e.Accepted),
		Unknown:    e.Unknown,
	}
	if e.State != spool.Sent.String() {
		item.Reason = e.Reason
	}
	if e.Hold != nil && e.HoldLevel != spool.RequestLevel {
		item.Reason = "its " + e.HoldLevel + " is on hold: " + e.Hold.Reason
	}
	return item
}

// titleOf is what stands for a title in links.
func titleOf(title string) string {
	if strings.TrimSpace(title) == "" {
		return "(no subject)"
	}
	return title
}

// fewOf names the first addresses, and how many more there are.
func fewOf(addresses []string) string {
	const few = 2
	if len(addresses) <= few+1 {
		return strings.Join(addresses, ", ")
	}
	return strings.Join(addresses[:few], ", ") + fmt.Sprintf(" and %d more", len(addresses)-few)
}
