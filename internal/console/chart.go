package console

import (
	"fmt"
	"math"
	"strings"
	"time"

	"heyrelay/internal/activity"
)

// A chart is drawn on a plane of this size, which a page stretches as it needs.
const (
	planeWidth  = 600.0
	planeHeight = 120.0
	barShare    = 0.72 // of the width of a point
)

// chart is a drawing of points, for the template of the same name.
type chart struct {
	Title   string
	Summary string   // says in words what the drawing shows
	Scale   []string // labels of the scale, from top to bottom
	Times   []string // labels of the time, from left to right
	Zero    float64  // y of the line that stands for nothing
	Series  []series
	Hints   []hint // one for each point, shown under the pointer
	Empty   string // what stands there instead while there is nothing to draw
}

// series is one kind of figures of a chart.
type series struct {
	Name  string
	Class string // of the drawing's style
	Path  string // d of an SVG path
	Line  bool   // it is a line, not a shape
}

// hint says what a point stands for.
type hint struct {
	X, Width float64
	Text     string
}

// point is what happened in a part of the span of a chart.
type point struct {
	activity.Minute
	Minutes int // its length
}

// flowChart draws what came in above a line, and what went out below it.
func flowChart(points []point) chart {
	title := "Messages per minute"
	if each := points[0].Minutes; each > 1 {
		title = "Messages in " + span(each)
	}
	c := newChart(title, points, flowText)
	all := point{Minute: activity.Minute{Calls: map[string]int{}}}
	in, out := 0, 0
	for _, p := range points {
		all.add(p.Minute)
		in = max(in, p.Accepted)
		out = max(out, p.Sent+p.Failed+p.Flagged)
	}
	if in+out == 0 {
		c.Empty = "No messages in this period."
	}
	top := nice(float64(max(in, out)))
	c.Zero = planeHeight / 2
	c.Scale = []string{count(int(top)), "0", count(int(top))}
	below := func(n int) float64 { return c.Zero + float64(n)*c.Zero/top }
	c.Series = []series{
		{Name: "accepted", Class: "accepted", Path: bars(points, func(p point) (from, to float64) {
			return below(0), below(-p.Accepted)
		})},
		{Name: "sent", Class: "sent", Path: bars(points, func(p point) (from, to float64) {
			return below(0), below(p.Sent)
		})},
		{Name: "failed", Class: "failed", Path: bars(points, func(p point) (from, to float64) {
			return below(p.Sent), below(p.Sent + p.Failed)
		})},
	}
	if all.Flagged > 0 { // it is rare, and needs no legend where there is none
		path := bars(points, func(p point) (from, to float64) {
			return below(p.Sent + p.Failed), below(p.Sent + p.Failed + p.Flagged)
		})
		c.Series = append(c.Series, series{Name: "flagged", Class: "flagged", Path: path})
	}
	c.Summary = fmt.Sprintf("%s; at most %s accepted within %s.", flowText(all), count(in), span(points[0].Minutes))
	return c
}

// flowText says what came in and what went out.
func flowText(p point) string {
	text := fmt.Sprintf("%s accepted, %s sent, %s failed", count(p.Accepted), count(p.Sent), count(p.Failed))
	if p.Flagged > 0 {
		text += fmt.Sprintf(", %s flagged", count(p.Flagged))
	}
	if p.Refused > 0 {
		text += fmt.Sprintf(", %s refused", count(p.Refused))
	}
	return text
}

// delayChart draws how long it took from the 250 to the API's acceptance.
func delayChart(points []point) chart {
	c := newChart("From 250 to sent", points, func(p point) string {
		if p.Median == 0 {
			return "nothing sent"
		}
		return fmt.Sprintf("median %s, 95th percentile %s", short(p.Median), short(p.P95))
	})
	var most, latest, half time.Duration
	for _, p := range points {
		most = max(most, p.P95)
		if p.Median > 0 {
			half, latest = p.Median, p.P95
		}
	}
	if most == 0 {
		c.Empty = "Nothing was sent in this period."
	}
	top := niceDuration(most)
	c.Scale = []string{short(top), short(top / 2), "0"}
	height := func(d time.Duration) float64 {
		if d == 0 {
			return math.NaN()
		}
		return planeHeight - float64(d)/float64(top)*planeHeight
	}
	c.Series = []series{
		{Name: "95th percentile", Class: "most", Line: true, Path: line(points, func(p point) float64 {
			return height(p.P95)
		})},
		{Name: "median", Class: "half", Line: true, Path: line(points, func(p point) float64 {
			return height(p.Median)
		})},
	}
	c.Summary = fmt.Sprintf("Most recently: median %s, 95th percentile %s.", short(half), short(latest))
	return c
}

// openChart draws how many requests were pending.
func openChart(points []point) chart {
	c := newChart("Waiting", points, func(p point) string {
		if p.Pending < 0 {
			return "not known"
		}
		return count(p.Pending) + " waiting"
	})
	most, last := -1, 0
	for _, p := range points {
		most = max(most, p.Pending)
		if p.Pending >= 0 {
			last = p.Pending
		}
	}
	if most < 0 {
		c.Empty = "No data for this period."
	}
	top := nice(float64(most))
	c.Scale = []string{count(int(top)), half(top), "0"}
	c.Series = []series{{Name: "waiting", Class: "open", Path: bars(points, func(p point) (from, to float64) {
		return planeHeight, planeHeight - float64(max(p.Pending, 0))/top*planeHeight
	})}}
	c.Summary = fmt.Sprintf("%s waiting at the end, %s at most.", count(last), count(max(most, 0)))
	return c
}

// budget is how much of its calls a team uses.
type budget struct {
	Team  string
	Used  int // in the present minute
	Rate  int // a minute
	Share int // percent, at most 100
	chart
}

// budgetChart draws a team's calls against what it may make.
func budgetChart(team string, rate int, points []point) budget {
	perMinute := func(p point) float64 { return float64(p.Calls[team]) / float64(p.Minutes) }
	c := newChart("Budget of "+team, points, func(p point) string {
		return fmt.Sprintf("%s API calls per minute", count(int(math.Ceil(perMinute(p)))))
	})
	most := 0.0
	for _, p := range points {
		most = max(most, perMinute(p))
	}
	used := int(math.Ceil(perMinute(points[len(points)-1])))
	b := budget{Team: team, Used: used, Rate: rate, chart: c}
	if rate > 0 {
		b.Share = min(100, used*100/rate)
	}
	top := max(float64(rate), most, 1)
	b.Scale = []string{count(int(top)), "0"}
	b.Series = []series{{Name: "calls", Class: "calls", Path: bars(points, func(p point) (from, to float64) {
		return planeHeight, planeHeight - perMinute(p)/top*planeHeight
	})}}
	b.Summary = fmt.Sprintf("%s of %s calls per minute used, %s at most.",
		count(used), count(rate), count(int(math.Ceil(most))))
	return b
}

// newChart returns a chart with the times and the hints of points.
func newChart(title string, points []point, text func(point) string) chart {
	c := chart{Title: title, Zero: planeHeight}
	width := planeWidth / float64(len(points))
	for i, p := range points {
		end := p.Start.Add(time.Duration(p.Minutes) * time.Minute)
		when := p.Start.Format("15:04")
		if p.Minutes > 1 {
			when += " to " + end.Format("15:04")
		}
		c.Hints = append(c.Hints, hint{X: round(float64(i) * width), Width: round(width), Text: when + ": " + text(p)})
	}
	c.Times = []string{points[0].Start.Format("15:04"), points[len(points)/2].Start.Format("15:04"), "now"}
	return c
}

// bars is the path of a column for each point.
func bars(points []point, reach func(point) (from, to float64)) string {
	var b strings.Builder
	width := planeWidth / float64(len(points))
	for i, p := range points {
		from, to := reach(p)
		if from == to {
			continue
		}
		x := (float64(i) + (1-barShare)/2) * width
		fmt.Fprintf(&b, "M%.1f %.1fV%.1fh%.1fV%.1fz", x, from, to, barShare*width, from)
	}
	return b.String()
}

// line is the path through the points; it is interrupted where height is NaN. A point
// alone is a short line.
func line(points []point, height func(point) float64) string {
	var b strings.Builder
	width := planeWidth / float64(len(points))
	begun := false
	for i, p := range points {
		y := height(p)
		if math.IsNaN(y) {
			begun = false
			continue
		}
		x := float64(i) * width
		if !begun {
			fmt.Fprintf(&b, "M%.1f %.1f", x, y)
		}
		begun = true
		fmt.Fprintf(&b, "L%.1f %.1f", x+width, y)
	}
	return b.String()
}

// nice is a round number that is not smaller than n, and at least 2.
func nice(n float64) float64 {
	power := 1.0
	for {
		for _, f := range []float64{2, 4, 10} {
			if top := f * power; top >= n {
				return top
			}
		}
		power *= 10
	}
}

// niceDuration is a round duration that is not shorter than d.
func niceDuration(d time.Duration) time.Duration {
	for _, top := range []time.Duration{
		100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond,
		time.Second, 2 * time.Second, 4 * time.Second, 10 * time.Second, 20 * time.Second,
		time.Minute, 2 * time.Minute, 4 * time.Minute, 10 * time.Minute, 20 * time.Minute,
		time.Hour, 2 * time.Hour, 4 * time.Hour, 12 * time.Hour,
	} {
		if d <= top {
			return top
		}
	}
	day := 24 * time.Hour
	return (d + day - 1) / day * day
}

// half writes half of a scale.
func half(top float64) string { return count(int(top / 2)) }

func round(x float64) float64 { return math.Round(x*100) / 100 }
