package sqlite

import (
	"context"
	"sync"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

// watch knows how far the events go, as far as anybody of this process has
// seen, and wakes those who wait for more.
type watch struct {
	mu      sync.Mutex
	last    int64
	polled  time.Time
	changed chan struct{} // closed when last grows; nil if nobody waits
}

// publish tells that there are events up to a position.
func (w *watch) publish(last int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last <= w.last {
		return
	}
	w.last = last
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// beyond tells whether there is more than a position; if not, what to wait on,
// and whether it is time to look into the file, which the caller must then do.
// However many wait, one of them looks in each interval.
func (w *watch) beyond(position int64, interval time.Duration) (more bool, changed <-chan struct{}, look bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last > position {
		return true, nil, false
	}
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	if now := time.Now(); now.Sub(w.polled) >= interval {
		w.polled, look = now, true
	}
	return false, w.changed, look
}

// Wait implements [eventstore.Driver].
func (s *EventStore) Wait(ctx context.Context, after eventstore.Checkpoint) error {
	base, position := after.Parts()
	if base != s.id && !after.IsZero() {
		return nil // reading says what is wrong
	}
	interval := s.db.config.PollInterval
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		more, changed, look := s.watch.beyond(position, interval)
		if more {
			return nil
		}
		if look {
			last, err := s.lastPosition(ctx)
			if err != nil {
				return err
			}
			s.watch.publish(last)
			if last > position {
				return nil
			}
		}
		timer.Reset(interval)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.db.closed:
			return ErrClosed
		}
	}
}
