package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

// outcomeOf returns what a snapshot has counted since another.
func outcomeOf(before, after breaker.Snapshot) breaker.Outcome {
	switch {
	case after.Successes == before.Successes+1 && after.Failures == before.Failures && after.Neutral == before.Neutral:
		return breaker.Success
	case after.Failures == before.Failures+1 && after.Successes == before.Successes && after.Neutral == before.Neutral:
		return breaker.Failure
	case after.Neutral == before.Neutral+1 && after.Successes == before.Successes && after.Failures == before.Failures:
		return breaker.Neutral
	}
	return 255
}

func TestOutcome(t *testing.T) {
	const (
		neutral = breaker.Neutral
		success = breaker.Success
		failure = breaker.Failure
	)
	errNo := errors.New("the answer is no")
	classify := func(err error) breaker.Outcome {
		switch {
		case errors.Is(err, errNo):
			return success
		case errors.Is(err, context.Canceled):
			return neutral
		}
		return failure
	}
	for name, test := range map[string]struct {
		timeout time.Duration // of the caller's context, 0 for none
		cancel  time.Duration // after which the caller leaves, 0 for never
		slow    time.Duration // SlowCallThreshold
		takes   time.Duration
		err     error
		want    breaker.Outcome
	}{
		"no error":                                      {want: success},
		"no error, though slow":                         {slow: 1, takes: time.Second, want: success},
		"no error, though out of time":                  {timeout: time.Second, takes: 2 * time.Second, want: success},
		"no error, though cancelled":                    {cancel: 1, takes: time.Second, want: success},
		"an error":                                      {err: errDown, want: failure},
		"an error that Classify knows":                  {err: fmt.Errorf("sure: %w", errNo), want: success},
		"an error of a cancelled caller":                {cancel: 1, takes: 2, err: errDown, want: neutral},
		"what Classify knows, of a cancelled caller":    {cancel: 1, takes: 2, err: errNo, want: neutral},
		"cancelled, but not by the caller":              {err: context.Canceled, want: neutral}, // by Classify
		"a deadline, but not the caller's":              {err: context.DeadlineExceeded, want: failure},
		"a deadline before the caller's":                {timeout: time.Hour, takes: 1, err: context.DeadlineExceeded, want: failure},
		"out of time":                                   {timeout: time.Second, takes: time.Second, err: context.DeadlineExceeded, want: failure},
		"out of time, told by the network":              {timeout: time.Second, takes: time.Second, err: os.ErrDeadlineExceeded, want: failure},
		"out of time, and much later":                   {timeout: time.Second, takes: time.Hour, err: errDown, want: failure},
		"out of 10 ms":                                  {timeout: 10 * time.Millisecond, takes: time.Second, err: errDown, want: failure},
		"out of too little time":                        {timeout: 10*time.Millisecond - 1, takes: time.Second, err: errDown, want: neutral},
		"out of too little time, which Classify knows":  {timeout: time.Millisecond, takes: time.Second, err: errNo, want: neutral},
		"out of less time than a slow call takes":       {timeout: time.Second, slow: time.Second + 1, takes: time.Hour, err: errDown, want: neutral},
		"out of as much time as a slow call takes":      {timeout: time.Second, slow: time.Second, takes: time.Hour, err: errDown, want: failure},
		"out of less than 10 ms, which are slow enough": {timeout: 2, slow: 2, takes: time.Hour, err: errDown, want: failure},
		"an error within too little time":               {timeout: 5, takes: 4, err: errDown, want: failure},
		"cancelled within too little time":              {timeout: 5, cancel: 1, takes: 4, err: errDown, want: neutral},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBreaker(t, breaker.Config{CountCalls: true, SlowCallThreshold: test.slow, Classify: classify})
				check := func(b *breaker.Breaker) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if test.timeout > 0 {
						ctx, cancel = context.WithTimeout(ctx, test.timeout)
						defer cancel()
					}
					if test.cancel > 0 {
						time.AfterFunc(test.cancel, cancel)
					}
					before := b.Snapshot()
					_, err := breaker.Do(ctx, b, func(context.Context) (int, error) {
						time.Sleep(test.takes)
						return 0, test.err
					})
					assert.Equal(t, err, test.err)
					assert.Equal(t, outcomeOf(before, b.Snapshot()), test.want, "in state %v", b.State())
				}
				check(b)
				b.SetMode(breaker.Shadow)
				failTimes(t, b, 5)
				check(b) // what an open breaker would have rejected
			})
		})
	}
}

// TestTimerOfTheContextIsLate: a call that failed after its deadline is out of
// time, even if its context does not know yet.
func TestTimerOfTheContextIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for budget, want := range map[time.Duration]breaker.Outcome{
			time.Millisecond: breaker.Neutral, time.Second: breaker.Failure,
		} {
			b := newBreaker(t, breaker.Config{})
			ctx := lagging{t.Context(), time.Now().Add(budget)}
			permit, err := b.Acquire(ctx)
			assert.NoError(t, err)
			time.Sleep(budget)
			assert.Equal(t, permit.DoneErr(ctx, context.DeadlineExceeded), want)
		}
	})
}

// lagging is a context whose timer never fires.
type lagging struct {
	context.Context
	deadline time.Time
}

func (c lagging) Deadline() (time.Time, bool) { return c.deadline, true }

// TestDeadlineByTheWall has no monotonic clock.
func TestDeadlineByTheWall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{})
		time.Sleep(time.Hour)
		ctx := lagging{t.Context(), time.Now().Add(time.Second).Round(0)}
		permit, err := b.Acquire(ctx)
		assert.NoError(t, err)
		time.Sleep(time.Minute)
		assert.Equal(t, permit.DoneErr(ctx, errDown), breaker.Failure)
	})
}

// TestForeignContext: DoneErr was given another context than Acquire, so nobody
// knows how much time there was.
func TestForeignContext(t *testing.T) {
	b := newBreaker(t, breaker.Config{})
	permit := acquire(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	assert.Equal(t, permit.DoneErr(ctx, errDown), breaker.Failure)
}

func TestOnlyTheFirstReportCounts(t *testing.T) {
	b := newBreaker(t, breaker.Config{CountCalls: true, Classify: func(error) breaker.Outcome { return breaker.Success }})
	permit := acquire(t, b)
	assert.Equal(t, permit.DoneErr(t.Context(), errDown), breaker.Success)
	assert.Equal(t, permit.DoneErr(t.Context(), errDown), breaker.Success)
	permit.Done(breaker.Failure)
	permit.Done(breaker.Neutral)
	want := breaker.Snapshot{Successes: 1, Window: breaker.WindowCounts{Successes: 1}}
	assert.Equal(t, b.Snapshot(), want)

	var zero breaker.Permit
	zero.Done(breaker.Failure)
	assert.Equal(t, zero.DoneErr(t.Context(), nil), breaker.Success)
	assert.Equal(t, zero.DoneErr(t.Context(), errDown), breaker.Failure)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, zero.DoneErr(ended, errDown), breaker.Neutral)
	late, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	assert.Equal(t, zero.DoneErr(late, errDown), breaker.Failure)
}

func TestUnknownOutcomeIsAFailure(t *testing.T) {
	b := newBreaker(t, breaker.Config{ConsecutiveFailures: 2, Classify: func(error) breaker.Outcome { return 77 }})
	assert.ErrorIs(t, do(b, errDown), errDown)
	permit := acquire(t, b)
	permit.Done(99)
	assert.Equal(t, b.Snapshot().Failures, 2)
	assert.Equal(t, b.State(), breaker.Open)
}

// end calls f in a goroutine of its own, which f may end, and returns what f
// panicked with.
func end(f func()) (panicked any) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		f()
	}()
	<-done
	return panicked
}

// TestCallsThatDoNotReturn are failures, and what they do passes through.
func TestCallsThatDoNotReturn(t *testing.T) {
	for name, leave := range map[string]func(){
		"panic":  func() { panic("ouch") },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBreaker(t, breaker.Config{Probes: 2, ConcurrentProbes: 1})
				call := func() {
					t.Helper()
					panicked := end(func() {
						_, _ = breaker.Do(t.Context(), b, func(context.Context) (int, error) { leave(); return 0, nil })
						t.Error("Do has returned")
					})
					assert.Equal(t, panicked == "ouch", name == "panic")
				}
				for range 5 {
					assert.Equal(t, b.State(), breaker.Closed)
					call()
				}
				assert.Equal(t, b.State(), breaker.Open)
				assert.True(t, rejected(t, b).Cause == nil)

				untilHalfOpen(t, b)
				call()
				assert.Equal(t, b.State(), breaker.Open, "a probe that does not return has failed")
				untilHalfOpen(t, b)
				assert.NoError(t, do(b, nil))
				assert.NoError(t, do(b, nil))
				assert.Equal(t, b.State(), breaker.Closed)
				assert.Equal(t, b.Snapshot().Failures, 6)
			})
		})
	}
}

// errRude panics when it is asked how long to stay away.
type errRude struct{}

func (errRude) Error() string             { return "rude" }
func (errRude) RetryAfter() time.Duration { panic("ouch") }

// TestCallbacksThatPanic leave a failure behind, and nothing else.
func TestCallbacksThatPanic(t *testing.T) {
	for name, test := range map[string]struct {
		config breaker.Config
		err    error
	}{
		"Classify":   {breaker.Config{Classify: func(error) breaker.Outcome { panic("ouch") }}, errDown},
		"RetryAfter": {breaker.Config{}, errRude{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBreaker(t, test.config)
				for range 5 {
					assert.Equal(t, b.State(), breaker.Closed)
					permit := acquire(t, b)
					end(func() { permit.DoneErr(t.Context(), test.err) })
					permit.Done(breaker.Success) // too late
				}
				assert.Equal(t, b.State(), breaker.Open)
				assert.Equal(t, rejected(t, b).Cause, test.err)
				untilHalfOpen(t, b)
				assert.Equal(t, end(func() { _ = do(b, test.err) }), "ouch")
				assert.Equal(t, b.State(), breaker.Open)
				untilHalfOpen(t, b)
				assert.NoError(t, do(b, nil))
				assert.Equal(t, b.State(), breaker.Closed)
				assert.Equal(t, b.Snapshot().Failures, 6)
			})
		})
	}
}

func TestAThousandCancelledCallers(t *testing.T) {
	b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1, FailureRate: 0.01, MinCalls: 1})
	for range 1000 {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := breaker.Do(ctx, b, func(ctx context.Context) (int, error) {
			cancel()
			return 0, ctx.Err()
		})
		assert.ErrorIs(t, err, context.Canceled)
	}
	assert.Equal(t, b.Snapshot(), breaker.Snapshot{Neutral: 1000})
}
