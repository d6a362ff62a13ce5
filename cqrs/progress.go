package cqrs

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

// rateWindow is over how long the rate is smoothed.
const rateWindow = 10 * time.Second

// meter measures how fast a run gets on.
type meter struct {
	done  int64
	total atomic.Int64 // set by who counts
	rate  float64
	since time.Time // of the events that are not in the rate yet
	last  time.Time // of the last event that was applied
}

// restart begins to measure anew.
func (m *meter) restart() {
	m.total.Store(0)
	m.rate, m.since = 0, time.Now()
}

// applied takes in that n more events were applied, the last one recorded at.
func (m *meter) applied(n int, recorded time.Time) {
	m.done += int64(n)
	m.last = recorded
	now := time.Now()
	took := now.Sub(m.since)
	m.since = now
	if took <= 0 {
		return
	}
	rate := float64(n) / took.Seconds()
	weight := 1 - math.Exp(-took.Seconds()/rateWindow.Seconds())
	if m.rate == 0 {
		weight = 1
	}
	m.rate += weight * (rate - m.rate)
}

// progress returns how far the run is, given that the oldest event known to be
// missing was recorded at; that is the zero time if none is.
func (m *meter) progress(missing time.Time, live bool) Progress {
	p := Progress{Done: m.done, Rate: m.rate, Live: live}
	if live {
		p.Total = m.done
		return p
	}
	if total := m.total.Load(); total > 0 {
		p.Total = max(total, m.done)
		if m.rate > 0 {
			p.ETA = time.Duration(float64(p.Total-m.done) / m.rate * float64(time.Second))
		}
	}
	if !missing.IsZero() {
		p.Lag = max(time.Since(missing), 0)
	}
	return p
}

// count finds out what there is to do. It runs beside the projecting, because
// it may take as long as reading all events.
func (m *meter) count(ctx context.Context, store *eventstore.Store, after eventstore.Checkpoint, filter eventstore.Filter, done int64) {
	if n, err := store.Count(ctx, after, filter); err == nil {
		m.total.Store(done + n)
	}
}
