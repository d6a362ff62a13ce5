package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// width is how wide the longest bar is, in characters, and perCharacter how many
// requests a second one stands for.
const (
	width        = 20
	perCharacter = 400
)

// A plot draws what the servers have to bear, a line each second.
type plot struct {
	w      io.Writer
	worlds []*world
	before []counts        // at the line before, for each world
	outage []counts        // during the outage
	back   []time.Duration // when clients were answered again
}

type counts struct{ calls, answered, failed, requests int64 }

func (w *world) counts() counts {
	return counts{w.calls.Load(), w.answered.Load(), w.failed.Load(), w.server.requests.Load()}
}

func (c counts) minus(d counts) counts {
	return counts{c.calls - d.calls, c.answered - d.answered, c.failed - d.failed, c.requests - d.requests}
}

func (c counts) plus(d counts) counts {
	return counts{c.calls + d.calls, c.answered + d.answered, c.failed + d.failed, c.requests + d.requests}
}

func newPlot(w io.Writer, worlds []*world) *plot {
	fmt.Fprintf(w, "%14s", "")
	for _, world := range worlds {
		fmt.Fprint(w, pad(world.name, width+8))
	}
	fmt.Fprintln(w)
	n := len(worlds)
	return &plot{w: w, worlds: worlds, before: make([]counts, n), outage: make([]counts, n), back: make([]time.Duration, n)}
}

// line draws the second that ends now. Down tells whether the server was; over, for
// how long the outage has been over.
func (p *plot) line(since time.Duration, down bool, over time.Duration) {
	state := "up"
	if down {
		state = "DOWN"
	}
	fmt.Fprintf(p.w, "%6s  %-6s", since, state)
	for i, world := range p.worlds {
		now := world.counts()
		second := now.minus(p.before[i])
		p.before[i] = now
		if down {
			p.outage[i] = p.outage[i].plus(second)
		}
		if over > 0 && p.back[i] == 0 && second.answered > 9*second.failed {
			p.back[i] = over
		}
		fmt.Fprint(p.w, pad(fmt.Sprintf("%s %d", bar(second.requests), second.requests), width+8))
	}
	fmt.Fprintln(p.w)
}

// summary tells how the outage was for the servers and for the clients.
func (p *plot) summary() {
	fmt.Fprintf(p.w, "\n%-15s %26s %22s %22s\n", "", "requests for each call", "calls answered", "nine in ten answered")
	fmt.Fprintf(p.w, "%-15s %26s %22s %22s\n", "", "during the outage", "", "after the outage")
	for i, world := range p.worlds {
		back := "not yet"
		if p.back[i] > 0 {
			back = "within " + p.back[i].String()
		}
		fmt.Fprintf(p.w, "%-15s %26.2f %22d %22s\n",
			world.name, ratio(p.outage[i].requests, p.outage[i].calls), world.answered.Load(), back)
	}
}

func ratio(a, b int64) float64 { return float64(a) / float64(max(b, 1)) }

// bar draws a number of requests in eighths of a character.
func bar(requests int64) string {
	eighths := min(requests*8/perCharacter, width*8)
	text := strings.Repeat("█", int(eighths/8))
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}

func pad(text string, to int) string {
	return text + strings.Repeat(" ", max(to-utf8.RuneCountInString(text), 1))
}
