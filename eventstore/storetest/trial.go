package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

// trial is one case on its way: a store, and the diary of what was done to
// it, which a failure tells.
type trial struct {
	testing.TB
	harness Harness
	driver  eventstore.Driver
	store   *eventstore.Store
	diary   *diary
	ids     *atomic.Uint64
	order   idOrder
	told    *atomic.Int64 // how many failures
	cancel  context.CancelFunc
}

func newTrial(tb testing.TB, h Harness, cancel context.CancelFunc) *trial {
	driver := h.New(tb)
	if driver == nil {
		tb.Fatal("storetest: Harness.New returned no driver")
	}
	return &trial{
		TB: tb, harness: h, driver: driver,
		store: eventstore.New(driver, eventstore.Config{}),
		diary: new(diary), ids: new(atomic.Uint64), told: new(atomic.Int64), cancel: cancel,
	}
}

// chapter returns the same trial with a diary that begins anew.
func (t *trial) chapter() *trial {
	c := *t
	c.diary = new(diary)
	return &c
}

// tenant returns the same trial for the streams of one tenant; for "" it is the
// trial itself, which reads those of all.
func (t *trial) tenant(name string) *trial {
	c := *t
	if name != "" {
		c.store = t.store.ForTenant(name)
	}
	return &c
}

// through returns the same trial with another driver over the same data.
func (t *trial) through(driver eventstore.Driver) *trial {
	c := *t
	c.driver = driver
	c.store = eventstore.New(driver, eventstore.Config{Tenant: t.store.Tenant()})
	return &c
}

// rounds returns n, or a fifth of it with -short.
func (t *trial) rounds(n int) int {
	if testing.Short() {
		return max(n/5, 1)
	}
	return n
}

// random returns choices that the harness's seed decides.
func (t *trial) random(salt uint64) *rand.Rand {
	return rand.New(rand.NewPCG(t.harness.Seed, salt))
}

// broken reports a promise that was not kept. Of one case the first few are
// enough.
func (t *trial) broken(promised, happened string, args ...any) {
	t.Helper()
	const most = 8
	switch n := t.told.Add(1); {
	case n <= most:
		t.Error(t.story(promised, fmt.Sprintf(happened, args...)))
	case n == most+1:
		t.Error("there are more failures, which are not told")
	}
}

// fatal is broken where the case cannot go on.
func (t *trial) fatal(promised, happened string, args ...any) {
	t.Helper()
	t.Fatal(t.story(promised, fmt.Sprintf(happened, args...)))
}

func (t *trial) story(promised, happened string) string {
	return fmt.Sprintf("\npromised: %s\nhappened: %s\nseed:     %d\nhistory:  %s", promised, happened, t.harness.Seed, t.diary)
}

// do does an Op and writes it into the diary.
func (t *trial) do(ctx context.Context, op Op) Outcome {
	outcome := Do(ctx, t.store, op)
	t.diary.add("%s -> %s", op, outcome)
	return outcome
}

// append appends to one stream, and writes it into the diary.
func (t *trial) append(ctx context.Context, stream string, expected eventstore.Expected, events ...eventstore.Event) (eventstore.Appended, error) {
	outcome := t.do(ctx, Append{{Stream: stream, Expected: expected, Events: events}})
	if outcome.Err != nil {
		return eventstore.Appended{}, outcome.Err
	}
	return outcome.Results[0], nil
}

// given appends n new events to a stream, as the ground of a case.
func (t *trial) given(ctx context.Context, stream string, n int) []eventstore.Event {
	t.Helper()
	events := t.events(n)
	t.must(ctx, Append{{Stream: stream, Expected: eventstore.Any, Events: events}})
	return events
}

// must does an Op without which the case cannot go on.
func (t *trial) must(ctx context.Context, op Op) Outcome {
	t.Helper()
	outcome := t.do(ctx, op)
	if outcome.Err != nil {
		t.fatal("this can be done: "+op.String(), "%v", outcome.Err)
	}
	return outcome
}

// events returns n new events.
func (t *trial) events(n int) []eventstore.Event {
	events := make([]eventstore.Event, n)
	for i := range events {
		n := t.ids.Add(1)
		events[i] = eventstore.Event{
			ID: t.order.id(n), Type: "Happened", SchemaVersion: 1,
			Data: fmt.Appendf(nil, `{"n":%d}`, n),
		}
	}
	return events
}

// read returns all events of a stream.
func (t *trial) read(ctx context.Context, stream string) []eventstore.Recorded {
	t.Helper()
	events, err := collect(t.store.Read(ctx, stream, 1))
	if err != nil {
		t.fatal(fmt.Sprintf("%q can be read", stream), "%v", err)
	}
	return events
}

// contents checks that a stream holds exactly these events, as its versions
// from one on.
func (t *trial) contents(ctx context.Context, stream string, from int64, events ...eventstore.Event) {
	t.Helper()
	got := t.read(ctx, stream)
	promise := fmt.Sprintf("%q holds %s as its versions from %d on", stream, tellIDs(events), from)
	if len(got) != len(events) {
		t.broken(promise, "%d events were read, not %d: %s", len(got), len(events), tellRecorded(got))
		return
	}
	for i := range got {
		if got[i].Version != from+int64(i) || got[i].Stream != stream {
			t.broken(promise, "event %d of those read is %s", i, tellPlace(got[i]))
			return
		}
		if difference := differs(got[i].Event, events[i]); difference != "" {
			t.broken(promise, "version %d was read with other contents: %s", got[i].Version, difference)
			return
		}
	}
}

// head checks the head of a stream.
func (t *trial) head(ctx context.Context, stream string, want eventstore.Head) {
	t.Helper()
	got, err := t.store.Head(ctx, stream)
	if err != nil {
		t.fatal(fmt.Sprintf("the head of %q can be read", stream), "%v", err)
	}
	if got != want {
		t.broken(fmt.Sprintf("%q has %s", stream, tellHead(want)), "it has %s", tellHead(got))
	}
}

// atOnce calls do n times at the same moment, each in a goroutine of its own,
// and returns when all have returned.
func (t *trial) atOnce(n int, do func(i int)) {
	t.Helper()
	var ready, done sync.WaitGroup
	ready.Add(n)
	start := make(chan struct{})
	returned := make([]atomic.Bool, n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-start
			do(i)
			returned[i].Store(true)
		})
	}
	ready.Wait()
	close(start)
	all := make(chan struct{})
	go func() { done.Wait(); close(all) }()
	select {
	case <-all:
	case <-time.After(3 * t.harness.Patience):
		var stuck []string
		for i := range returned {
			if !returned[i].Load() {
				stuck = append(stuck, fmt.Sprint(i))
			}
		}
		// Who is stuck is freed, so that nothing goes on after the case, and what
		// comes of it is no failure of its own.
		t.told.Store(math.MaxInt32)
		t.cancel()
		select {
		case <-all:
		case <-time.After(t.harness.Patience):
		}
		t.fatal("calls that run at the same time all return",
			"after %v, of %d goroutines these had not: %s. Is it a deadlock?",
			3*t.harness.Patience, n, strings.Join(stuck, ", "))
	}
}

// wants checks that an error matches the one that was promised.
func (t *trial) wants(promised string, err, target error) bool {
	t.Helper()
	if errors.Is(err, target) {
		return true
	}
	t.broken(promised, "the error was: %v", err)
	return false
}
