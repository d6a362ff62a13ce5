package benchmarks_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/sony/gobreaker/v2"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

// What holds of a contender, by its name. A peer for which something begins to
// hold has been mended: then the table in doc.go must say so, too.
type holds map[string]bool

// show runs a scenario with each contender, in a bubble of its own, and compares
// what it reports with what is known.
func show(t *testing.T, contenders []contender, want holds, scenario func(t *testing.T, do caller) bool) {
	t.Helper()
	for _, c := range contenders {
		want, known := want[c.name]
		assert.True(t, known, c.name)
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { assert.Equal(t, scenario(t, c.make(t)), want) })
		})
	}
}

// halfOpen trips a breaker, and waits until it lets a probe pass.
func halfOpen(do caller) {
	trip(do)
	time.Sleep(resetTimeout + time.Second)
}

// begin makes a call in a goroutine of its own, and returns when the call waits or
// has ended.
func begin(t *testing.T, do caller, fn function) {
	t.Helper()
	go func() { _, _ = do(t.Context(), fn) }()
	synctest.Wait()
}

// passes reports whether a healthy call is let through.
func passes(t *testing.T, do caller) bool {
	t.Helper()
	n, err := do(t.Context(), answer)
	return err == nil && n == 42
}

// recovers reports whether a breaker, whose other side is well again, has let a
// call through before an hour is over.
func recovers(t *testing.T, do caller) bool {
	t.Helper()
	for range 60 {
		if passes(t, do) {
			return true
		}
		time.Sleep(time.Minute)
	}
	return false
}

func TestBreakerRecoversAfterAProbeThatHangs(t *testing.T) {
	show(t, consecutiveBreakers(), holds{"parlance": true, "gobreaker": false, "failsafe-go": false},
		func(t *testing.T, do caller) bool {
			halfOpen(do)
			end := make(chan struct{})
			defer close(end)
			begin(t, do, func(context.Context) (int, error) { <-end; return 0, nil })
			return recovers(t, do)
		})
}

func TestBreakerRecoversAfterAProbeThatPanics(t *testing.T) {
	show(t, consecutiveBreakers(), holds{"parlance": true, "gobreaker": true, "failsafe-go": false},
		func(t *testing.T, do caller) bool {
			halfOpen(do)
			assert.Panics(t, func() { _, _ = do(t.Context(), func(context.Context) (int, error) { panic("in a probe") }) })
			return recovers(t, do)
		})
}

func TestBreakerRecoversAfterAProbeThatEndsItsGoroutine(t *testing.T) {
	show(t, consecutiveBreakers(), holds{"parlance": true, "gobreaker": false, "failsafe-go": false},
		func(t *testing.T, do caller) bool {
			halfOpen(do)
			begin(t, do, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
			return recovers(t, do)
		})
}

// cancelled makes a call whose caller leaves while it is under way.
func cancelled(t *testing.T, do caller) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := do(ctx, func(ctx context.Context) (int, error) {
		cancel()
		return 0, ctx.Err()
	})
	assert.ErrorIs(t, err, context.Canceled)
}

func TestProbeOfACallerWhoLeavesIsGivenBack(t *testing.T) {
	show(t, consecutiveBreakers(), holds{"parlance": true, "gobreaker": false, "failsafe-go": false},
		func(t *testing.T, do caller) bool {
			halfOpen(do)
			cancelled(t, do)
			return passes(t, do)
		})
}

func TestBreakerStaysClosedWhenCallersLeave(t *testing.T) {
	show(t, consecutiveBreakers(), holds{"parlance": true, "gobreaker": false, "failsafe-go": false},
		func(t *testing.T, do caller) bool {
			for range failuresInRow {
				cancelled(t, do)
			}
			return passes(t, do)
		})
}

// A call that was admitted before the breaker opened says nothing about whether
// the other side is well now, however it ends.
func TestLateSuccessDoesNotCloseABreaker(t *testing.T) {
	show(t, consecutiveBreakers(), holds{"parlance": true, "gobreaker": true, "failsafe-go": false},
		func(t *testing.T, do caller) bool {
			late, probe := make(chan struct{}), make(chan struct{})
			begin(t, do, func(context.Context) (int, error) { <-late; return 42, nil })
			halfOpen(do)
			begin(t, do, func(context.Context) (int, error) { <-probe; return 0, errDown })
			close(late)
			synctest.Wait()
			closed := passes(t, do) // beside the probe, which has not ended
			close(probe)
			return !closed
		})
}

func TestFailuresThatTakeLongerThanTheWindowTrip(t *testing.T) {
	show(t, windowBreakers(), holds{"parlance": true, "gobreaker": false, "gobreaker-fixed": false, "failsafe-go": true},
		func(t *testing.T, do caller) bool {
			for range 100 {
				for range minCalls {
					begin(t, do, func(context.Context) (int, error) {
						time.Sleep(window + window/2)
						return 0, errDown
					})
				}
				time.Sleep(2 * window)
				if !passes(t, do) {
					return true
				}
			}
			return false
		})
}

// TestCallbackMayAskTheBreaker cannot run in a bubble: a goroutine that waits for
// a mutex keeps the bubble's clock from moving. The one that waits for ever is
// left behind.
func TestCallbackMayAskTheBreaker(t *testing.T) {
	for _, test := range []struct {
		name    string
		returns bool
		trip    func(told chan<- struct{})
	}{
		{"parlance", true, func(told chan<- struct{}) {
			var b *breaker.Breaker
			b, err := breaker.New(breaker.Config{Hooks: breaker.Hooks{Transition: func(breaker.Transition) {
				_ = b.State()
				close(told)
			}}})
			assert.NoError(t, err)
			trip(func(ctx context.Context, fn function) (int, error) { return breaker.Do(ctx, b, fn) })
		}},
		{"gobreaker", false, func(told chan<- struct{}) {
			var b *gobreaker.CircuitBreaker[int]
			b = gobreaker.NewCircuitBreaker[int](gobreaker.Settings{OnStateChange: func(string, gobreaker.State, gobreaker.State) {
				_ = b.State()
				close(told)
			}})
			trip(func(ctx context.Context, fn function) (int, error) {
				return b.Execute(func() (int, error) { return fn(ctx) })
			})
		}},
		{"failsafe-go", true, func(told chan<- struct{}) {
			var b circuitbreaker.CircuitBreaker[int]
			b = circuitbreaker.NewBuilder[int]().OnOpen(func(circuitbreaker.StateChangedEvent) {
				_ = b.State()
				close(told)
			}).Build()
			b.RecordFailure()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			told := make(chan struct{})
			go test.trip(told)
			patience := 100 * time.Millisecond // real time, to see that nothing comes
			if test.returns {
				patience = 10 * time.Second // never waited for in full
			}
			select {
			case <-told:
				assert.True(t, test.returns, "the callback returned")
			case <-time.After(patience):
				assert.False(t, test.returns, "the callback did not return")
			}
		})
	}
}
