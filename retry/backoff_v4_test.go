package retry_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

func TestBackOff_v4(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		source   func() retry.BackOff
		attempts int
		elapsed  time.Duration
	}{
		{"constant", func() retry.BackOff { return backoff.NewConstantBackOff(time.Second) }, 5, 4 * time.Second},
		{"zero", func() retry.BackOff { return &backoff.ZeroBackOff{} }, 5, 0},
		{"stopped", func() retry.BackOff { return &backoff.StopBackOff{} }, 1, 0},
		{"bounded", func() retry.BackOff {
			return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Second), 2)
		}, 3, 2 * time.Second},
		{"exponential", func() retry.BackOff {
			return backoff.NewExponentialBackOff(
				backoff.WithInitialInterval(time.Second),
				backoff.WithMultiplier(3),
				backoff.WithRandomizationFactor(0),
				backoff.WithMaxInterval(9*time.Second),
			)
		}, 5, (1 + 3 + 9 + 9) * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPolicy(t, retry.Config{MaxAttempts: 5, BackOff: c.source})
				begin := time.Now()
				calls := 0
				_, err := retry.Do(t.Context(), p, failing(&calls, errBusy))
				assert.Equal(t, calls, c.attempts)
				assert.Equal(t, time.Since(begin), c.elapsed)
				assert.ErrorIs(t, err, retry.ErrAttempts)
				assert.ErrorIs(t, err, errBusy)
			})
		})
	}
}

// Each call has its own source: those of the package keep what is left of them.
func TestBackOff_v4IsNotSharedByCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolicy(t, retry.Config{MaxAttempts: 10, BackOff: func() retry.BackOff {
			return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Millisecond), 2)
		}})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				calls := 0
				if _, err := retry.Do(t.Context(), p, failing(&calls, errBusy)); err == nil || calls != 3 {
					t.Errorf("%d calls, error %v", calls, err)
				}
			})
		}
		wg.Wait()
	})
}

// recorded is a source that notes how it is used.
type recorded struct {
	delay time.Duration
	used  []string
}

func (r *recorded) NextBackOff() time.Duration {
	r.used = append(r.used, "next")
	return r.delay
}

func (r *recorded) Reset() { r.used = append(r.used, "reset") }

func TestBackOff_isMadeWhenItIsNeeded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var made []*recorded
		p := newPolicy(t, retry.Config{BackOff: func() retry.BackOff {
			made = append(made, &recorded{delay: time.Second})
			return made[len(made)-1]
		}})
		_, err := retry.Do(t.Context(), p, failing(new(int), nil))
		assert.NoError(t, err)
		_, err = retry.Do(t.Context(), p, failing(new(int), errOdd))
		assert.Equal(t, err, errOdd)
		assert.Equal(t, len(made), 0, "no retry, no source")

		_, err = retry.Do(t.Context(), p, failing(new(int), errBusy))
		assert.ErrorIs(t, err, retry.ErrAttempts)
		assert.Equal(t, len(made), 1)
		assert.Equal(t, made[0].used, []string{"reset", "next", "next"})
	})
}

// The rules that hold for a delay of our own hold for any.
func TestBackOff_keepsTheDeadlineAndTheDelayAskedFor(t *testing.T) {
	t.Parallel()
	source := func() retry.BackOff { return backoff.NewConstantBackOff(10 * time.Second) }
	synctest.Test(t, func(t *testing.T) {
		p := newPolicy(t, retry.Config{BackOff: source, Timeout: 10 * time.Second})
		begin := time.Now()
		_, err := retry.Do(t.Context(), p, failing(new(int), errBusy))
		assert.ErrorIs(t, err, retry.ErrDelay)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Since(begin), time.Duration(0))
	})
	synctest.Test(t, func(t *testing.T) {
		p := newPolicy(t, retry.Config{BackOff: source})
		begin := time.Now()
		_, err := retry.Do(t.Context(), p, failing(new(int), retry.After(errBusy, 30*time.Second), nil))
		assert.NoError(t, err)
		assert.True(t, time.Since(begin) >= 30*time.Second)
	})
}

func TestBackOff_mustNotBeNil(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, retry.Config{BackOff: func() retry.BackOff { return nil }})
	got := assert.Panics(t, func() { _, _ = retry.Do(t.Context(), p, failing(new(int), errBusy)) })
	assert.Equal(t, got, any("retry: Config.BackOff returned nil"))
}
