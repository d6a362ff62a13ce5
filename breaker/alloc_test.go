package breaker_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestCallsDoNotAllocate(t *testing.T) {
	slow := breaker.Config{SlowCallRate: 0.5, SlowCallThreshold: time.Hour}
	deadline, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for name, c := range map[string]breaker.Config{
		"row": {ConsecutiveFailures: 1 << 30}, "time": {FailureRate: 1}, "calls": {FailureRate: 1, WindowCalls: 1000},
		"slow": slow, "disabled": {Mode: breaker.Disabled},
	} {
		b := newBreaker(t, c)
		assert.NoError(t, do(b, nil)) // so that the rates do not trip
		for _, ctx := range []context.Context{t.Context(), deadline} {
			for _, f := range []func(context.Context) (int, error){answer, fail} {
				allocs := testing.AllocsPerRun(100, func() { _, _ = breaker.Do(ctx, b, f) })
				assert.Equal(t, allocs, 0, name)
			}
			allocs := testing.AllocsPerRun(100, func() {
				permit, err := b.Acquire(ctx)
				if err == nil {
					defer permit.Done(breaker.Failure)
					permit.DoneErr(ctx, nil)
				}
			})
			assert.Equal(t, allocs, 0, name)
		}
		assert.Equal(t, b.State(), breaker.Closed, name)
	}
}

func TestRejectionsDoNotAllocate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := func(b *breaker.Breaker) {
			t.Helper()
			var open *breaker.OpenError
			allocs := testing.AllocsPerRun(100, func() {
				_, err := breaker.Do(t.Context(), b, answer)
				open, _ = errors.AsType[*breaker.OpenError](err)
			})
			assert.Equal(t, allocs, 0)
			assert.True(t, open != nil)
		}
		b := newBreaker(t, breaker.Config{})
		failTimes(t, b, 5)
		check(b)
		time.Sleep(time.Minute - time.Millisecond) // when it looks at the clock
		check(b)
		untilHalfOpen(t, b)
		acquire(t, b)
		check(b)
	})
}

// TestOpenBreakerCanBeForgotten, though its timer runs.
func TestOpenBreakerCanBeForgotten(t *testing.T) {
	b := newBreaker(t, breaker.Config{ResetTimeout: time.Hour})
	gone := make(chan struct{})
	runtime.AddCleanup(b, func(struct{}) { close(gone) }, struct{}{})
	failTimes(t, b, 5)
	assert.Equal(t, b.State(), breaker.Open)
	for range 500 {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-time.After(10 * time.Millisecond): // a cleanup runs some time after a collection
		}
	}
	t.Fatal("the breaker is still there")
}
