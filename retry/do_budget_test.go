package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

// oneRetryForTen returns a budget with a tenth of a retry for each call.
func oneRetryForTen(t testing.TB) *retry.Budget {
	t.Helper()
	b, err := retry.NewBudget(retry.BudgetConfig{Ratio: 0.1, NoFloor: true, Window: time.Hour})
	assert.NoError(t, err)
	return b
}

func TestDo_refusedByTheBudgetReturnsAtOnceWithTheLastError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := 0
		p := newPolicy(t, retry.Config{
			BaseDelay: time.Minute,
			Budget:    oneRetryForTen(t),
			Hooks:     retry.Hooks{Retry: func(retry.Retry) { told++ }},
		})
		begin := time.Now()
		calls := 0
		value, err := retry.Do(t.Context(), p, failing(&calls, errBusy))
		assert.Equal(t, time.Since(begin), time.Duration(0))
		assert.Equal(t, value, 1)
		assert.Equal(t, told, 0, "there is no retry to tell of")
		got := assert.ErrorAs[*retry.Error](t, err)
		assert.Equal(t, got.Reason, retry.ErrBudget)
		assert.Equal(t, got.Last, error(errBusy))
		assert.Equal(t, got.Attempts, 1)
	})
}

func TestDo_countsEachCallOnceInTheBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		budget := oneRetryForTen(t)
		p := newPolicy(t, retry.Config{MaxAttempts: 2, Budget: budget})
		dead, cancel := context.WithCancel(t.Context())
		cancel()
		for range 100 {
			_, err := retry.Do(dead, p, failing(new(int), nil))
			assert.Error(t, err)
		}
		assert.Equal(t, budget.Balance(), 0, "no attempt, no call")
		for range 20 {
			_, err := retry.Do(t.Context(), p, failing(new(int), nil))
			assert.NoError(t, err)
		}
		assert.Equal(t, budget.Balance(), 2)
		_, err := retry.Do(t.Context(), p, failing(new(int), errBusy))
		assert.ErrorIs(t, err, retry.ErrAttempts)
		assert.Equal(t, budget.Balance(), 1, "one retry taken")
	})
}

// A retry that is not made is left to the others.
func TestDo_takesNothingFromTheBudgetInVain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		budget := oneRetryForTen(t)
		for range 10 {
			budget.Deposit()
		}
		p := newPolicy(t, retry.Config{MaxAttempts: 2, BaseDelay: time.Hour, Jitter: retry.NoJitter, Timeout: time.Minute, Budget: budget})
		for _, failure := range []error{errBusy, errOdd, retry.Permanent(errBusy), retry.After(errBusy, 2*time.Hour)} {
			_, err := retry.Do(t.Context(), p, failing(new(int), failure))
			assert.Error(t, err)
		}
		once := newPolicy(t, retry.Config{MaxAttempts: 1, Budget: budget})
		_, err := retry.Do(t.Context(), once, failing(new(int), errBusy))
		assert.ErrorIs(t, err, retry.ErrAttempts)
		assert.Equal(t, budget.Balance(), 1)
	})
}

// The budget is asked before the delay: calls that wait have their retry already.
func TestDo_reservesItsRetryBeforeTheDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		budget := oneRetryForTen(t)
		for range 10 {
			budget.Deposit()
		}
		p := newPolicy(t, retry.Config{MaxAttempts: 2, BaseDelay: time.Second, Jitter: retry.NoJitter, Budget: budget})
		slept := make(chan error)
		go func() {
			_, err := retry.Do(t.Context(), p, failing(new(int), errBusy, nil))
			slept <- err
		}()
		synctest.Wait() // it is in its delay
		begin := time.Now()
		_, err := retry.Do(t.Context(), p, failing(new(int), errBusy, nil))
		assert.ErrorIs(t, err, retry.ErrBudget)
		assert.Equal(t, time.Since(begin), time.Duration(0))
		assert.NoError(t, <-slept)
	})
}

// Each run of a hedged attempt has the whole AttemptTimeout.
func TestAttemptTimeout_boundsEachRunOfAHedgedAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hedge, err := retry.NewHedge(retry.HedgeConfig{Delay: time.Second})
		assert.NoError(t, err)
		p := newPolicy(t, retry.Config{MaxAttempts: 1, AttemptTimeout: 3 * time.Second, Hedge: hedge})
		begin := time.Now()
		_, err = retry.Do(t.Context(), p, func(ctx context.Context) (int, error) { return 0, await(ctx) })
		assert.Equal(t, time.Since(begin), 4*time.Second)
		assert.ErrorIs(t, err, retry.ErrAttempts)
		assert.ErrorAs[*retry.TimeoutError](t, err)
	})
}
