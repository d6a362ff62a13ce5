package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// await waits until all subscribers have what they must have, or too long.
func (f *fire) await(subscribers []*subscriber) {
	late := time.After(f.harness.Patience)
	for _, s := range subscribers {
		select {
		case <-s.begun:
		case <-late:
			f.fatal("events are delivered to those who subscribe", "%s waited for %v to begin", s.name, f.harness.Patience)
		}
	}
	end := time.Now().Add(f.harness.Patience)
	for _, s := range subscribers {
		for !f.complete(s) && time.Now().Before(end) {
			time.Sleep(2 * time.Millisecond) // subscribers tell nobody how far they are
		}
	}
}

func (f *fire) complete(s *subscriber) bool {
	seen := make(map[uuid.UUID]bool)
	for _, d := range s.delivered() {
		seen[d.ID] = true
	}
	for id, c := range f.committed {
		if !seen[id] && s.must(c) {
			return false
		}
	}
	return true
}

// judge checks what a subscriber got.
func (f *fire) judge(s *subscriber) {
	f.Helper()
	if !errors.Is(s.err, context.Canceled) {
		f.broken("a subscription ends when its context does, and not before", "%s ended with: %v", s.name, s.err)
	}
	seen := make(map[uuid.UUID]delivery, len(s.got))
	last := make(map[string]delivery)
	for _, d := range s.got {
		c, known := f.committed[d.ID]
		switch before, twice := seen[d.ID]; {
		case twice:
			f.broken("no event is delivered twice", "%s got %s at %v and again at %v", s.name, c, before.at, d.at)
			return
		case !known && f.undone[d.ID] != "":
			f.broken("what is rolled back is never delivered", "%s got %s, which %s rolled back", s.name, tellPlace(d.Recorded), f.undone[d.ID])
			return
		case !known:
			f.broken("only what was appended is delivered", "%s got %s, which nobody appended", s.name, tellPlace(d.Recorded))
			return
		case !s.may(c):
			f.broken("a checkpoint covers what was delivered before it, and a filter what it does not pass", "%s got %s", s.name, c)
			return
		case c.stream != d.Stream || c.version != d.Version || differs(d.Event, c.event) != "":
			f.broken("events are delivered as they were appended", "%s got %s as %s: %s", s.name, c, tellPlace(d.Recorded), differs(d.Event, c.event))
			return
		}
		if before, ok := last[d.Stream]; ok && before.Version >= d.Version {
			f.broken("events of a stream are delivered in the order of their versions", "%s got %s at %v after %s at %v",
				s.name, f.committed[d.ID], d.at, f.committed[before.ID], before.at)
			return
		}
		seen[d.ID], last[d.Stream] = d, d
	}
	var missed []commit
	for id, c := range f.committed {
		if _, ok := seen[id]; !ok && s.must(c) {
			missed = append(missed, c)
		}
	}
	if len(missed) > 0 {
		slices.SortFunc(missed, func(a, b commit) int { return int(a.end - b.end) })
		f.broken(fmt.Sprintf("every committed event is delivered within %v", f.harness.Patience),
			"%s missed %d events of %d. The first is %s; %s", s.name, len(missed), len(f.committed), missed[0], around(s.got, missed[0]))
	}
}

// around tells what was delivered before and after an event was missed.
func around(got []delivery, missed commit) string {
	var before, after *delivery
	for i := range got {
		if got[i].at <= missed.end {
			before = &got[i]
		} else if after == nil {
			after = &got[i]
		}
	}
	text := "nothing came before it was committed"
	if before != nil {
		text = fmt.Sprintf("the last that came before it was committed is %s at %v", tellPlace(before.Recorded), before.at)
	}
	if after == nil {
		return text + ", and nothing came after"
	}
	return text + fmt.Sprintf(", the first after is %s at %v", tellPlace(after.Recorded), after.at)
}

// lag tells how long events took from the end of their commit to a subscriber.
func (f *fire) lag(s *subscriber) {
	f.Helper()
	const most = 2 * time.Second
	var lags []time.Duration
	for _, d := range s.got {
		lags = append(lags, max(d.at-f.committed[d.ID].end, 0))
	}
	if len(lags) == 0 {
		return
	}
	slices.Sort(lags)
	p99 := lags[len(lags)*99/100]
	f.Logf("%d events reached a live subscriber: median %v, p99 %v, at most %v after their commit",
		len(lags), lags[len(lags)/2], p99, lags[len(lags)-1])
	if p99 > most {
		f.broken(fmt.Sprintf("99 of 100 events reach a live subscriber within %v", most), "p99 was %v", p99)
	}
}
