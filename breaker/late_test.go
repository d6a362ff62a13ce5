package breaker_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

// windows are the three ways to count in a closed breaker.
var windows = map[string]breaker.Config{
	"none":  {ConsecutiveFailures: 3},
	"time":  {ConsecutiveFailures: 3, FailureRate: 0.5, MinCalls: 10, Window: time.Hour},
	"calls": {ConsecutiveFailures: 3, FailureRate: 0.5, WindowCalls: 10},
}

// TestLateReports: calls that were admitted before a change are reported after
// it. They count in the totals, and change nothing else.
func TestLateReports(t *testing.T) {
	for name, c := range windows {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBreaker(t, c)
				var closed [30]breaker.Permit
				for i := range closed {
					closed[i] = acquire(t, b)
				}
				late := 0
				report := func(outcomes ...breaker.Outcome) {
					t.Helper()
					before := b.Snapshot()
					for _, o := range outcomes {
						closed[late].Done(o)
						late++
					}
					after := b.Snapshot()
					assert.Equal(t, after.Late, before.Late+uint64(len(outcomes)))
					assert.Equal(t, after.Failures, before.Failures+2)
					after.Late, after.Failures, after.Neutral, after.Successes = before.Late, before.Failures, before.Neutral, before.Successes
					assert.Equal(t, after, before)
				}
				const s, f, n = breaker.Success, breaker.Failure, breaker.Neutral
				failTimes(t, b, 3)
				report(s, f, n, f) // to an open breaker
				untilHalfOpen(t, b)
				report(s, f, n, f) // to one whose time is over
				probe := acquire(t, b)
				report(s, f, n, f) // to a half-open one
				refuses(t, b)
				probe.Done(breaker.Success)
				assert.Equal(t, b.State(), breaker.Closed)
				failTimes(t, b, 2)
				report(f, s, n, f) // to the next closed one: the row is still 2
				failTimes(t, b, 1)
				assert.Equal(t, b.State(), breaker.Open)

				untilHalfOpen(t, b)
				probe = acquire(t, b)
				b.SetMode(breaker.Disabled)
				b.SetMode(breaker.Automatic)
				failTimes(t, b, 2)
				report(f, s, n, f) // to another mode
				probe.Done(breaker.Failure)
				assert.Equal(t, b.State(), breaker.Closed)
				assert.Equal(t, b.Snapshot().Late, uint64(late)+1)
				if name != "none" {
					assert.Equal(t, b.Snapshot().Successes, 1+5)
				}
			})
		})
	}
}

// TestProbeOfAnEarlierHalfOpen must not take part in a later one, where its
// number is given out again.
func TestProbeOfAnEarlierHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := halfOpen(t, breaker.Config{Probes: 2})
		late, fails := acquire(t, b), acquire(t, b)
		fails.Done(breaker.Failure)
		untilHalfOpen(t, b)
		acquire(t, b)
		acquire(t, b)
		late.Done(breaker.Success)
		refuses(t, b)
		assert.Equal(t, b.Snapshot().Probing, 2)
		assert.Equal(t, b.Snapshot().Late, 1)
	})
}

// TestProbeOfAnotherMode cannot close a breaker that was forced open meanwhile,
// nor open one that has begun anew.
func TestProbeOfAnotherMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, m := range []breaker.Mode{breaker.ForcedOpen, breaker.Shadow, breaker.Disabled} {
			for _, o := range []breaker.Outcome{breaker.Success, breaker.Failure, breaker.Neutral} {
				b := halfOpen(t, breaker.Config{})
				probe := acquire(t, b)
				b.SetMode(m)
				before := b.Snapshot()
				probe.Done(o)
				after := b.Snapshot()
				assert.Equal(t, after.Late, 1)
				assert.Equal(t, after.State, before.State)
				assert.Equal(t, after.Generation, before.Generation)
			}
		}
	})
}

// TestNothingIsLost when calls, probes, modes and looks meet: each call is in
// the totals once, and bounds hold whatever happens.
func TestNothingIsLost(t *testing.T) {
	for name, c := range windows {
		t.Run(name, func(t *testing.T) {
			c.CountCalls = name != "none"
			c.ResetTimeout, c.ResetMultiplier, c.MaxResetTimeout = 50*time.Microsecond, 1, time.Second
			c.Probes, c.ConcurrentProbes, c.ProbeTimeout = 3, 2, time.Hour
			var transitions, told atomic.Int64
			var from breaker.State
			c.Hooks.Transition = func(change breaker.Transition) {
				if told.Add(1) != 1 {
					t.Error("told of two transitions at once")
				}
				if change.From != from {
					t.Errorf("transition from %v after one to %v", change.From, from)
				}
				if n := transitions.Add(1); change.Snapshot.Generation != uint64(n-1) {
					t.Errorf("transition %d of generation %d", n, change.Snapshot.Generation)
				}
				from = change.To
				told.Add(-1)
			}
			b := newBreaker(t, c)
			var successes, failures, neutral, rejections, probing atomic.Int64
			var callers sync.WaitGroup
			for range 8 {
				callers.Go(func() {
					for range 1500 {
						permit, err := b.Acquire(t.Context())
						if err != nil {
							rejections.Add(1)
							time.Sleep(10 * time.Microsecond) // the race is between real goroutines
							continue
						}
						if n := b.Snapshot().Probing; n > 2 {
							probing.Store(int64(n))
						}
						switch o := breaker.Outcome(rand.IntN(3)); o {
						case breaker.Success:
							successes.Add(1)
							permit.DoneErr(t.Context(), nil)
						case breaker.Failure:
							failures.Add(1)
							permit.DoneErr(t.Context(), errDown)
						default:
							neutral.Add(1)
							permit.Done(o)
						}
						_, _ = b.State(), b.Err()
					}
				})
			}
			callers.Go(func() {
				for range 50 {
					b.SetMode(breaker.Shadow) // in which a rejection is a call as well
					b.SetMode(breaker.Automatic)
					time.Sleep(100 * time.Microsecond) // the same race
				}
			})
			callers.Wait()
			s := b.Snapshot()
			if c.CountCalls {
				assert.Equal(t, s.Successes, uint64(successes.Load()))
				assert.True(t, s.Rejected >= uint64(rejections.Load()))
			}
			assert.Equal(t, s.Failures, uint64(failures.Load()))
			assert.Equal(t, s.Neutral, uint64(neutral.Load()))
			assert.Equal(t, s.Generation, uint64(transitions.Load()))
			assert.Equal(t, probing.Load(), 0, "probes at once, if more than 2")
			assert.True(t, s.Generation > 20, "%d changes", s.Generation)

			// And it still works.
			b.SetMode(breaker.ForcedOpen)
			b.SetMode(breaker.Automatic)
			assert.NoError(t, do(b, nil))
			failTimes(t, b, 3)
			rejectedOrHalfOpen := b.State()
			assert.NotEqual(t, rejectedOrHalfOpen, breaker.Closed)
		})
	}
}
