package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

func subscribeGroup() group {
	return group{"subscriptions", []testCase{
		{name: "catch up and go on", check: subscribeSimply},
		{name: "go on while streams are erased", check: subscribeErased},
		{name: "miss nothing and repeat nothing while writers write", check: func(ctx context.Context, t *trial) { underFire(ctx, t, false) }},
		{name: "the same with a transaction open in another database", needs: needForeign, check: func(ctx context.Context, t *trial) { underFire(ctx, t, true) }},
	}}
}

// subscriber collects what a subscription delivers.
type subscriber struct {
	name string
	// subscribe delivers until ctx is done or deliver returns false.
	subscribe func(ctx context.Context, s *subscriber) error
	// must and may say which commits it has to get, and which it may. They are
	// asked once it has begun.
	must, may func(commit) bool
	begun     chan struct{}

	mu  sync.Mutex
	got []delivery
	err error
}

type delivery struct {
	eventstore.Recorded
	at time.Duration
}

// begin says that must and may can be asked.
func (s *subscriber) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.begun:
	default:
		close(s.begun)
	}
}

func (s *subscriber) deliver(r eventstore.Recorded, at time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, delivery{r, at})
}

func (s *subscriber) delivered() []delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

func subscribeSimply(ctx context.Context, t *trial) {
	before := t.given(ctx, "simple-1", 3)
	ctx, stop := context.WithCancelCause(ctx)
	enough := errors.New("enough")
	defer stop(enough)
	var after []eventstore.Event
	n := 0
	var last error
	for r, err := range t.store.Subscribe(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
		if last = err; err != nil {
			break
		}
		want := slices.Concat(before, after)
		if n >= len(want) || r.ID != want[n].ID {
			t.fatal("a subscription delivers what there is and then what comes", "event %d was %s; it should be one of %s", n, tellPlace(r), tellIDs(want))
		}
		if n++; n == len(want) {
			if len(after) == 5 {
				stop(enough)
				continue
			}
			after = append(after, t.given(ctx, "simple-1", 1)...)
		}
	}
	t.wants("a subscription ends with the cause of its context", last, enough)
	if n != 8 {
		t.broken("a subscription delivers what there is and then what comes", "%d of 8 events came", n)
	}
}

// subscribeErased erases one stream of two while both are followed.
func subscribeErased(ctx context.Context, t *trial) {
	const rounds = 20
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	kept := make([][]eventstore.Event, rounds)
	var got []uuid.UUID
	var last error
	t.atOnce(2, func(i int) {
		if i == 0 {
			for round := range kept {
				kept[round] = t.events(2)
				for _, op := range []Op{
					Append{{Stream: "kept-1", Expected: eventstore.Any, Events: kept[round]}},
					Append{{Stream: "erased-1", Expected: eventstore.Any, Events: t.events(2)}},
					Erase{Stream: "erased-1", Expected: eventstore.Any, Kind: eventstore.Delete},
				} {
					if outcome := t.do(ctx, op); outcome.Err != nil {
						t.broken("streams can be erased while they are read", "%v", outcome.Err)
					}
				}
			}
			return
		}
		for r, err := range t.store.Subscribe(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
			if last = err; err != nil {
				return
			}
			if r.Stream == "kept-1" {
				got = append(got, r.ID)
			}
			if len(got) == 2*rounds {
				return
			}
		}
	})
	if want := ids(kept...); !slices.Equal(got, want) {
		t.broken("a subscription delivers all that is not erased, once and in order", "it delivered %s and ended with %v; it should be %s",
			tellMany(len(got), " ", func(i int) string { return tellID(got[i]) }), last, tellMany(len(want), " ", func(i int) string { return tellID(want[i]) }))
	}
}

// underFire has subscribers of all kinds follow writers of all kinds.
func underFire(ctx context.Context, t *trial, foreign bool) {
	f := &fire{trial: t, began: time.Now(), committed: make(map[uuid.UUID]commit), undone: make(map[uuid.UUID]string)}
	if foreign {
		release := t.harness.Foreign(t, t.driver)
		defer release()
		t.diary.add("a transaction writes in another database of the server, and stays open to the end")
	}
	subscribers := f.subscribers()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	for _, s := range subscribers {
		running.Go(func() {
			s.err = s.subscribe(reading, s)
			s.begin()
		})
	}
	f.write(ctx)
	f.await(subscribers)
	time.Sleep(50 * time.Millisecond) // long enough for most of what comes twice to come again
	stop()
	t.atOnce(1, func(int) { running.Wait() })
	for _, s := range subscribers {
		f.judge(s)
	}
	f.lag(subscribers[0])
}

func (f *fire) subscribers() []*subscriber {
	everything := func(commit) bool { return true }
	first := &subscriber{name: "the subscriber from the start", must: everything, may: everything}
	first.subscribe = func(ctx context.Context, s *subscriber) error {
		return f.follow(ctx, s, eventstore.Checkpoint{}, eventstore.Filter{}, 0)
	}
	restarting := &subscriber{name: "the subscriber that starts again and again from the text of its last checkpoint", must: everything, may: everything}
	restarting.subscribe = f.restart
	hotOnly := func(c commit) bool { return strings.HasPrefix(c.stream, "hot-") }
	filtered := &subscriber{name: "the subscriber to one category, in batches, that starts again and again", must: hotOnly, may: hotOnly}
	filtered.subscribe = f.batches
	all := []*subscriber{first, restarting, filtered, f.joiner(first), f.newcomer()}
	for _, s := range all {
		s.begun = make(chan struct{})
	}
	return all
}

// follow subscribes and delivers up to most events, or until ctx is done with 0.
func (f *fire) follow(ctx context.Context, s *subscriber, after eventstore.Checkpoint, filter eventstore.Filter, most int) error {
	s.begin()
	n := 0
	for r, err := range f.store.Subscribe(ctx, after, filter) {
		if err != nil {
			return err
		}
		s.deliver(r, time.Since(f.began))
		if n++; n == most {
			return nil
		}
	}
	return errors.New("the subscription ended without an error")
}

func (f *fire) restart(ctx context.Context, s *subscriber) error {
	random := f.random(300)
	var after eventstore.Checkpoint
	for {
		if err := f.follow(ctx, s, after, eventstore.Filter{}, 1+random.IntN(10)); err != nil {
			return err
		}
		got := s.delivered()
		after = f.text(got[len(got)-1].Checkpoint)
	}
}

func (f *fire) batches(ctx context.Context, s *subscriber) error {
	s.begin()
	random := f.random(301)
	var after eventstore.Checkpoint
	for {
		left := 1 + random.IntN(4)
		for batch, err := range f.store.SubscribeBatches(ctx, after, eventstore.Filter{Categories: []string{"hot"}}) {
			if err != nil {
				return err
			}
			for _, r := range batch.Events {
				s.deliver(r, time.Since(f.began))
			}
			after = f.text(batch.Checkpoint)
			if left--; left == 0 {
				break
			}
		}
	}
}

// joiner subscribes from a checkpoint in the middle of what another has got.
func (f *fire) joiner(other *subscriber) *subscriber {
	covered := make(map[uuid.UUID]bool)
	rest := func(c commit) bool { return !covered[c.event.ID] }
	s := &subscriber{name: "the subscriber from a checkpoint of the first", must: rest, may: rest}
	s.subscribe = func(ctx context.Context, s *subscriber) error {
		for len(other.delivered()) < 20 {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(time.Millisecond):
			}
		}
		got := other.delivered()
		middle := len(got) / 2
		for _, r := range got[:middle+1] {
			covered[r.ID] = true
		}
		return f.follow(ctx, s, f.text(got[middle].Checkpoint), eventstore.Filter{}, 0)
	}
	return s
}

// newcomer subscribes to what comes from now on.
func (f *fire) newcomer() *subscriber {
	var called, returned time.Duration
	s := &subscriber{name: "the subscriber from now on"}
	s.must = func(c commit) bool { return c.start > returned }
	s.may = func(c commit) bool { return c.end > called }
	s.subscribe = func(ctx context.Context, s *subscriber) error {
		select {
		case <-ctx.Done():
		case <-time.After(40 * time.Millisecond): // so that others have written
		}
		called = time.Since(f.began)
		now, err := f.store.Now(ctx)
		returned = time.Since(f.began)
		if err != nil {
			return err
		}
		return f.follow(ctx, s, f.text(now), eventstore.Filter{}, 0)
	}
	return s
}

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
