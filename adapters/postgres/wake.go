package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/eventstore"
)

// wake lets those who wait look again before their time. It remembers at which
// checkpoints readers came to the end, and when, so that it misses none who is
// busy with what it read.
type wake struct {
	mu    sync.Mutex
	calls int           // of all
	next  chan struct{} // nil if nobody waits
	// recent and older tell how many calls there had been when the end was read.
	recent, older map[eventstore.Checkpoint]int
}

// recentEnds bounds the memory of wake; whoever is forgotten polls.
const recentEnds = 256

// reading is called before a reading, and returns what end wants after it.
func (w *wake) reading() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

func (w *wake) end(at eventstore.Checkpoint, calls int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.recent == nil || len(w.recent) == recentEnds {
		w.recent, w.older = make(map[eventstore.Checkpoint]int), w.recent
	}
	w.recent[at] = max(calls, w.recent[at])
}

// wait returns nil if all has been called since the end was read.
func (w *wake) wait(after eventstore.Checkpoint) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls, known := w.recent[after]
	if !known {
		calls, known = w.older[after]
	}
	if known && calls < w.calls {
		return nil
	}
	if w.next == nil {
		w.next = make(chan struct{})
	}
	return w.next
}

func (w *wake) all() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if w.next != nil {
		close(w.next)
		w.next = nil
	}
}

// Wait implements eventstore.Driver. It returns when this process has appended,
// when Run hears that another has, and after PollInterval in any case: looking
// again is what finds every event, the rest only makes it sooner.
func (s *EventStore) Wait(ctx context.Context, after eventstore.Checkpoint) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	woken := s.wake.wait(after)
	if woken == nil {
		return nil
	}
	timer := time.NewTimer(s.config.PollInterval)
	defer timer.Stop()
	select {
	case <-woken:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// appended wakes the subscribers here, and has Run tell the others.
func (s *EventStore) appended() {
	s.wake.all()
	s.hint()
}

func (s *EventStore) hint() {
	select {
	case s.hints <- struct{}{}:
	default:
	}
}

// Between two hints, and before it connects again, Run rests this long. Hints
// are never part of an append: a transaction that notifies takes a lock of the
// whole server when it commits.
const (
	hintInterval     = 10 * time.Millisecond
	reconnectAfter   = 100 * time.Millisecond
	reconnectAtMost  = 10 * time.Second
	notifySQL        = `SELECT pg_notify($1, '')`
	hintStatementMax = 5 * time.Second
)

// Run passes hints between processes, so that subscribers in one see at once
// what another has appended. It is not needed for that they see it: without Run
// they find it at their next poll. Run uses one connection of the pool to
// listen, and one from time to time to notify; it survives the loss of both. It
// returns nil when ctx is done.
func (s *EventStore) Run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { s.keep(ctx, "listen", s.listen) })
	running.Go(func() { s.keep(ctx, "notify", s.notify) })
	running.Wait()
	return nil
}

// keep calls work again whenever it fails, until ctx is done.
func (s *EventStore) keep(ctx context.Context, name string, work func(context.Context) error) {
	rest := reconnectAfter
	for ctx.Err() == nil {
		start := time.Now()
		err := work(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(start) > reconnectAtMost {
			rest = reconnectAfter
		}
		s.config.Logger.WarnContext(ctx, "postgres: event store: hints interrupted, subscribers poll",
			"what", name, "error", err, "retry_in", rest)
		select {
		case <-time.After(rest):
		case <-ctx.Done():
		}
		rest = min(2*rest, reconnectAtMost)
	}
}

func (s *EventStore) listen(ctx context.Context) error {
	pooled, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	// A connection that listens must not go back to the pool.
	conn := pooled.Hijack()
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{s.channel()}.Sanitize()); err != nil {
		return err
	}
	s.wake.all() // whatever happened while nobody listened
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
		s.wake.all()
	}
}

func (s *EventStore) notify(ctx context.Context) error {
	for {
		select {
		case <-s.hints:
		case <-ctx.Done():
			return nil
		}
		err := func() error {
			short, cancel := context.WithTimeoutCause(ctx, hintStatementMax, errors.New("notify took too long"))
			defer cancel()
			_, err := s.pool.Exec(short, notifySQL, s.channel())
			return caused(short, err)
		}()
		if err != nil {
			s.hint() // again, once there is a connection
			return err
		}
		select {
		case <-time.After(hintInterval):
		case <-ctx.Done():
			return nil
		}
	}
}

// channel is named for the schema; names have at most 63 bytes.
func (s *EventStore) channel() string {
	name := "parlance " + string(s.schema)
	if len(name) > 63 {
		sum := sha256.Sum256([]byte(name))
		name = "parlance " + hex.EncodeToString(sum[:16])
	}
	return name
}
