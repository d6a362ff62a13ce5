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
	const promise, live = "a subscription delivers what there is and then what comes", 5
	want := t.given(ctx, "simple-1", 3)
	enough := errors.New("enough")
	subscribing, stop := context.WithCancelCause(ctx)
	timer := time.AfterFunc(t.harness.Patience, func() { stop(fmt.Errorf("nothing came in %v", t.harness.Patience)) })
	defer timer.Stop()
	n, all := 0, len(want)+live
	var last error
	for r, err := range t.store.Subscribe(subscribing, eventstore.Checkpoint{}, eventstore.Filter{}) {
		if last = err; err != nil {
			break
		}
		if n >= len(want) || r.ID != want[n].ID {
			t.fatal(promise, "event %d was %s; it should be one of %s", n, tellPlace(r), tellIDs(want))
		}
		switch n++; {
		case n == all:
			stop(enough)
		case n == len(want):
			want = append(want, t.given(ctx, "simple-1", 1)...)
		}
	}
	if n != all {
		t.broken(promise, "%d of %d events came, and then: %v", n, all, last)
		return
	}
	t.wants("a subscription ends with the cause of its context", last, enough)
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
		defer t.foreign()()
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
