package breaker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

// errBusy is a failure that says how long to stay away.
type errBusy time.Duration

func (errBusy) Error() string                { return "busy" }
func (e errBusy) RetryAfter() time.Duration  { return time.Duration(e) }
func do(b *breaker.Breaker, err error) error { return doFor(b, 0, err) }

// doFor makes a call that takes d and returns err.
func doFor(b *breaker.Breaker, d time.Duration, err error) error {
	_, got := breaker.Do(context.Background(), b, func(context.Context) (int, error) {
		time.Sleep(d) // in a bubble
		return 0, err
	})
	return got
}

// failTimes makes calls that fail.
func failTimes(t testing.TB, b *breaker.Breaker, n int) {
	t.Helper()
	for range n {
		assert.ErrorIs(t, do(b, errDown), errDown)
	}
}

func acquire(t testing.TB, b *breaker.Breaker) breaker.Permit {
	t.Helper()
	permit, err := b.Acquire(t.Context())
	assert.NoError(t, err)
	return permit
}

// rejected asserts that a call is rejected, and returns the error.
func rejected(t testing.TB, b *breaker.Breaker) *breaker.OpenError {
	t.Helper()
	_, err := b.Acquire(t.Context())
	assert.ErrorIs(t, err, breaker.ErrOpen)
	return assert.ErrorAs[*breaker.OpenError](t, err)
}

func refuses(t testing.TB, b *breaker.Breaker) {
	t.Helper()
	_ = rejected(t, b)
}

// untilHalfOpen sleeps until the breaker would probe.
func untilHalfOpen(t testing.TB, b *breaker.Breaker) {
	t.Helper()
	assert.Equal(t, b.State(), breaker.Open)
	time.Sleep(b.Snapshot().RetryAfter) // in a bubble
	assert.Equal(t, b.State(), breaker.HalfOpen)
}

func TestDoReturnsWhatTheFunctionReturns(t *testing.T) {
	b := newBreaker(t, breaker.Config{})
	result, err := breaker.Do(t.Context(), b, func(ctx context.Context) (string, error) {
		assert.Equal(t, ctx, t.Context())
		return "both", errDown
	})
	assert.Equal(t, result, "both")
	assert.Equal(t, err, errDown, "the error as it is")
}

func TestZeroConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{})
		assert.Equal(t, b.Name(), "")
		assert.Equal(t, b.Mode(), breaker.Automatic)
		failTimes(t, b, 4)
		assert.Equal(t, b.State(), breaker.Closed)
		failTimes(t, b, 1)
		assert.Equal(t, b.State(), breaker.Open)

		time.Sleep(time.Minute - 1)
		assert.Equal(t, rejected(t, b).RetryAfter(), 1)
		time.Sleep(time.Nanosecond)
		assert.NoError(t, do(b, nil))
		assert.Equal(t, b.State(), breaker.Closed)
	})
}

func TestRejection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		b := newBreaker(t, breaker.Config{Name: "payments"})
		assert.NoError(t, b.Err())
		failTimes(t, b, 5)

		time.Sleep(20 * time.Second)
		called := false
		_, err := breaker.Do(t.Context(), b, func(context.Context) (int, error) { called = true; return 0, nil })
		assert.False(t, called)
		assert.ErrorIs(t, err, breaker.ErrOpen)
		assert.False(t, errors.Is(err, errDown), "the cause happened to another call")
		open := assert.ErrorAs[*breaker.OpenError](t, err)
		assert.Equal(t, *open, breaker.OpenError{
			Name: "payments", State: breaker.Open, Cause: errDown, Since: start, Until: start.Add(time.Minute),
		})
		assert.Equal(t, open.RetryAfter(), 40*time.Second)
		assert.False(t, open.Retryable())
		assert.Equal(t, open.Error(), `breaker: "payments" is open since `+start.Format(time.RFC3339)+
			", until "+start.Add(time.Minute).Format(time.RFC3339)+", because of: down")
		assert.True(t, assert.ErrorAs[*breaker.OpenError](t, b.Err()) == open, "Err is the same error")
		assert.True(t, rejected(t, b) == open, "all calls get the same error")

		time.Sleep(time.Hour)
		assert.Equal(t, open.RetryAfter(), 0)
		assert.NoError(t, b.Err())
	})
}

func TestErrorWithoutNameAndCause(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	err := &breaker.OpenError{State: breaker.HalfOpen, Since: since}
	assert.Equal(t, err.Error(), "breaker: half-open since 2026-01-02T03:04:05Z")
	assert.Equal(t, err.RetryAfter(), 0)
}

// TestLookingChangesNothing: Err and State tell what a call would find, and take
// no probe.
func TestLookingChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{})
		failTimes(t, b, 5)
		untilHalfOpen(t, b)
		for range 3 {
			assert.NoError(t, b.Err())
			assert.Equal(t, b.State(), breaker.HalfOpen)
			assert.Equal(t, b.Snapshot().State, breaker.HalfOpen)
			assert.Equal(t, b.Snapshot().Generation, 1)
		}
		probe := acquire(t, b)
		assert.Equal(t, b.Snapshot().Generation, 2)
		assert.ErrorIs(t, b.Err(), breaker.ErrOpen, "the probe is taken")
		time.Sleep(time.Minute)
		assert.NoError(t, b.Err(), "its lease has ended")
		probe.Done(breaker.Success)
		assert.Equal(t, b.State(), breaker.HalfOpen)
	})
}

func TestEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{Name: "payments"})
		errLeft := errors.New("the user left")
		cancelled, cancel := context.WithCancelCause(t.Context())
		cancel(errLeft)
		late, stop := context.WithTimeout(t.Context(), -1)
		defer stop()
		dontCall := func(context.Context) (int, error) { t.Error("called"); return 0, nil }
		check := func() {
			t.Helper()
			_, err := breaker.Do(cancelled, b, dontCall)
			assert.ErrorIs(t, err, errLeft)
			assert.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, err.Error(), `breaker: "payments": not called: context canceled: the user left`)
			_, err = breaker.Do(late, b, dontCall)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, err.Error(), `breaker: "payments": not called: context deadline exceeded`)
		}
		check()
		failTimes(t, b, 5)
		check()
		untilHalfOpen(t, b)
		check()
		assert.Equal(t, b.Snapshot().Probing, 0, "no probe is taken")
		assert.Equal(t, b.Snapshot().Rejected, 0)
	})
}

func TestProgrammersErrorsPanic(t *testing.T) {
	b := newBreaker(t, breaker.Config{})
	assert.Equal(t, assert.Panics(t, func() { _, _ = breaker.Do[int](t.Context(), b, nil) }),
		"breaker: Do: the function is nil")
	assert.Equal(t, assert.Panics(t, func() { _, _ = breaker.Do(t.Context(), nil, answer) }),
		"breaker: Do: the breaker is nil")
	assert.Equal(t, assert.Panics(t, func() { b.SetMode(9) }), "breaker: SetMode: Mode(9)")
}

func TestNames(t *testing.T) {
	for want, got := range map[string]interface{ String() string }{
		"closed": breaker.Closed, "open": breaker.Open, "half-open": breaker.HalfOpen, "State(9)": breaker.State(9),
		"automatic": breaker.Automatic, "forced-open": breaker.ForcedOpen, "disabled": breaker.Disabled,
		"shadow": breaker.Shadow, "Mode(9)": breaker.Mode(9),
		"neutral": breaker.Neutral, "success": breaker.Success, "failure": breaker.Failure, "Outcome(9)": breaker.Outcome(9),
	} {
		assert.Equal(t, got.String(), want)
	}
}
