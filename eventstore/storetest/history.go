package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

// Call is an Op of one of several clients, with what it came to and when. The
// Op had its effect at some moment from Start to End.
type Call struct {
	Client     int
	Op         Op
	Outcome    Outcome
	Start, End time.Duration // since the history began
}

// String tells the call in words.
func (c Call) String() string {
	return fmt.Sprintf("client %d, from %v to %v: %s -> %s",
		c.Client, c.Start.Round(time.Microsecond), c.End.Round(time.Microsecond), c.Op, c.Outcome)
}

// History is what several clients did at the same time.
type History []Call

// String tells the calls in the order in which they began.
func (h History) String() string {
	sorted := slices.Clone(h)
	slices.SortStableFunc(sorted, func(a, b Call) int { return int(a.Start - b.Start) })
	var text strings.Builder
	for _, call := range sorted {
		fmt.Fprintf(&text, "\t%s\n", call)
	}
	return text.String()
}

// Contest is clients that append to one stream at the same time.
type Contest struct {
	Stream string
	// Clients is how many there are, each of which makes Appends calls.
	Clients, Appends int
	// Next returns what a client expects in its n-th call, and how many events
	// it appends, given the version of the stream that it has heard of last.
	Next func(client, n int, seen int64) (expected eventstore.Expected, events int)
	// Events returns n new events. It is called by all clients.
	Events func(n int) []eventstore.Event
}

// Run lets the clients append, and returns what they did.
func (c Contest) Run(ctx context.Context, store *eventstore.Store) History {
	var clients sync.WaitGroup
	calls := make(History, c.Clients*c.Appends)
	start := make(chan struct{})
	var began time.Time
	for client := range c.Clients {
		clients.Go(func() {
			<-start
			var seen int64
			for n := range c.Appends {
				expected, events := c.Next(client, n, seen)
				call := Call{Client: client, Op: Append{{Stream: c.Stream, Expected: expected, Events: c.Events(events)}}}
				call.Start = time.Since(began)
				call.Outcome = Do(ctx, store, call.Op)
				call.End = time.Since(began)
				seen = heard(call.Outcome, seen)
				calls[client*c.Appends+n] = call
			}
		})
	}
	began = time.Now()
	close(start)
	clients.Wait()
	return calls
}

// heard returns the version of the stream that an outcome tells of.
func heard(o Outcome, before int64) int64 {
	if o.Err == nil {
		return o.Results[0].Version
	}
	if conflict, ok := errors.AsType[*eventstore.ConflictError](o.Err); ok {
		return conflict.Actual
	}
	return before
}

// contest runs a contest and checks its history.
func (t *trial) contest(ctx context.Context, c Contest) History {
	t.Helper()
	c.Events = t.events
	before := t.read(ctx, c.Stream)
	var calls History
	t.diary.add("%d clients append to %q at the same time, %d times each", c.Clients, c.Stream, c.Appends)
	t.atOnce(1, func(int) { calls = c.Run(ctx, t.store) })
	if err := calls.Check(int64(len(before))); err != nil {
		t.broken("appends to one stream have their effect in some order that agrees with time, "+
			"and each returns what it must in that order", "%v", err)
	}
	want := make(map[int64]eventstore.Event)
	for _, call := range calls {
		if call.Outcome.Err == nil {
			events := call.Op.(Append)[0].Events
			for i := range events {
				want[call.Outcome.Results[0].Version-int64(len(events))+int64(i)+1] = events[i]
			}
		}
	}
	after := t.read(ctx, c.Stream)
	if len(after) != len(before)+len(want) {
		t.broken("what was appended with success is in the stream, once, and nothing else",
			"%d events were appended to %d, and there are %d", len(want), len(before), len(after))
	}
	for i, got := range after {
		event, mine := want[got.Version]
		if got.Version != int64(i)+1 {
			t.broken("the versions of a stream follow each other without a gap", "event %d has version %d", i+1, got.Version)
			break
		}
		if mine && got.ID != event.ID {
			t.broken("each event has the version that its append returned",
				"version %d is %s, and %s was told that it is", got.Version, tellID(got.ID), tellID(event.ID))
			break
		}
	}
	return calls
}
