package retry_test

import (
	"math"
	"testing"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

func TestNew_refusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	cases := []struct {
		config retry.Config
		want   string
	}{
		{retry.Config{MaxAttempts: -1}, "retry: Config.MaxAttempts is -1, want 1 to 1,000, or 0 for 3"},
		{retry.Config{MaxAttempts: 1001}, "retry: Config.MaxAttempts is 1001, want 1 to 1,000, or 0 for 3"},
		{retry.Config{BaseDelay: -1}, "retry: Config.BaseDelay is -1ns, want 0 or more"},
		{retry.Config{MaxDelay: -1}, "retry: Config.MaxDelay is -1ns, want 0 or more"},
		{retry.Config{AttemptTimeout: -1}, "retry: Config.AttemptTimeout is -1ns, want 0 or more"},
		{retry.Config{Timeout: -1}, "retry: Config.Timeout is -1ns, want 0 or more"},
		{retry.Config{MinAttempt: -1}, "retry: Config.MinAttempt is -1ns, want 0 or more"},
		{retry.Config{MaxRetryAfter: math.MinInt64}, "retry: Config.MaxRetryAfter is -2562047h47m16.854775808s, want 0 or more"},
		{
			retry.Config{BaseDelay: 2 * time.Second, MaxDelay: time.Second},
			"retry: Config.BaseDelay is 2s, want at most MaxDelay, which is 1s",
		},
		{retry.Config{Multiplier: 0.99}, "retry: Config.Multiplier is 0.99, want 1 or more, or 0 for 2"},
		{retry.Config{Multiplier: -2}, "retry: Config.Multiplier is -2, want 1 or more, or 0 for 2"},
		{retry.Config{Multiplier: math.NaN()}, "retry: Config.Multiplier is NaN, want 1 or more, or 0 for 2"},
		{retry.Config{Multiplier: math.Inf(1)}, "retry: Config.Multiplier is +Inf, want 1 or more, or 0 for 2"},
		{retry.Config{Multiplier: math.Inf(-1)}, "retry: Config.Multiplier is -Inf, want 1 or more, or 0 for 2"},
		{retry.Config{Budget: &retry.Budget{}}, "retry: Config.Budget was not made by NewBudget"},
		{retry.Config{Jitter: retry.NoJitter + 1}, "retry: Config.Jitter is Jitter(5), want one of the kinds of this package"},
		{retry.Config{JitterFraction: -0.1}, "retry: Config.JitterFraction is -0.1, want above 0 to 1, or 0 for 0.2"},
		{retry.Config{JitterFraction: 1.1}, "retry: Config.JitterFraction is 1.1, want above 0 to 1, or 0 for 0.2"},
		{retry.Config{JitterFraction: math.NaN()}, "retry: Config.JitterFraction is NaN, want above 0 to 1, or 0 for 0.2"},
		{
			retry.Config{AttemptTimeout: 2 * time.Second, Timeout: time.Second},
			"retry: Config.AttemptTimeout is 2s, want at most Timeout, which is 1s",
		},
	}
	for _, c := range cases {
		p, err := retry.New(c.config)
		assert.True(t, p == nil)
		assert.Error(t, err, c.want)
		assert.Equal(t, err.Error(), c.want)
	}
}

func TestNew_takesWhatIsAtTheLimits(t *testing.T) {
	t.Parallel()
	for _, config := range []retry.Config{
		{MaxAttempts: 1},
		{MaxAttempts: 1000},
		{BaseDelay: time.Second, MaxDelay: time.Second},
		{BaseDelay: math.MaxInt64},
		{MaxDelay: 1},
		{Multiplier: 1},
		{Multiplier: math.MaxFloat64},
		{JitterFraction: math.SmallestNonzeroFloat64},
		{JitterFraction: 1},
		{AttemptTimeout: time.Second, Timeout: time.Second},
		{AttemptTimeout: math.MaxInt64},
	} {
		p := newPolicy(t, config)
		again := newPolicy(t, p.Config())
		first, second := p.Config(), again.Config()
		first.RetryIf, second.RetryIf = nil, nil // functions are not comparable
		assert.Equal(t, first, second)
	}
}

func TestPolicy_configHasItsDefaults(t *testing.T) {
	t.Parallel()
	want := retry.Config{
		MaxAttempts:    3,
		BaseDelay:      100 * time.Millisecond,
		MaxDelay:       5 * time.Second,
		Multiplier:     2,
		Jitter:         retry.FullJitter,
		JitterFraction: 0.2,
		MaxRetryAfter:  time.Minute,
	}
	for _, p := range []*retry.Policy{nil, {}, newPolicy(t, retry.Config{})} {
		got := p.Config()
		assert.True(t, got.RetryIf(errBusy))
		assert.False(t, got.RetryIf(errOdd))
		got.RetryIf = nil
		assert.Equal(t, got, want)
	}

	long := newPolicy(t, retry.Config{BaseDelay: time.Minute}).Config()
	assert.Equal(t, long.MaxDelay, time.Minute)
	short := newPolicy(t, retry.Config{MaxDelay: time.Millisecond}).Config()
	assert.Equal(t, short.BaseDelay, time.Millisecond)
}

func TestPolicy_doesNotChangeWithTheConfig(t *testing.T) {
	t.Parallel()
	config := retry.Config{MaxAttempts: 2}
	p := newPolicy(t, config)
	config.MaxAttempts = 7
	assert.Equal(t, p.Config().MaxAttempts, 2)
}

func TestJitter_text(t *testing.T) {
	t.Parallel()
	for jitter, want := range map[retry.Jitter]string{
		retry.FullJitter:         "full",
		retry.EqualJitter:        "equal",
		retry.DecorrelatedJitter: "decorrelated",
		retry.ProportionalJitter: "proportional",
		retry.NoJitter:           "none",
		77:                       "Jitter(77)",
	} {
		assert.Equal(t, jitter.String(), want)
	}
}
