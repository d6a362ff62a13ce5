package policy_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

func newPolicy(t testing.TB, c policy.Config) *policy.Policy {
	t.Helper()
	p, err := policy.New(c)
	assert.NoError(t, err)
	return p
}

func newRetry(t testing.TB, c retry.Config) *retry.Policy {
	t.Helper()
	p, err := retry.New(c)
	assert.NoError(t, err)
	return p
}

func newHedge(t testing.TB, c retry.HedgeConfig) *retry.Hedge {
	t.Helper()
	h, err := retry.NewHedge(c)
	assert.NoError(t, err)
	return h
}

func newBreaker(t testing.TB, c breaker.Config) *breaker.Breaker {
	t.Helper()
	b, err := breaker.New(c)
	assert.NoError(t, err)
	return b
}

// A noBackOff never waits.
type noBackOff struct{}

func (noBackOff) NextBackOff() time.Duration { return 0 }
func (noBackOff) Reset()                     {}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	const second = time.Second
	// Their delays are 1 s + 2 s at most.
	three := retry.Config{BaseDelay: second, MaxDelay: 10 * second}
	with := func(change func(c *retry.Config)) *retry.Policy {
		c := three
		change(&c)
		return newRetry(t, c)
	}
	hedge := newHedge(t, retry.HedgeConfig{Delay: 2 * second})
	for name, test := range map[string]struct {
		config policy.Config
		want   []string // parts of the error
	}{
		"a negative timeout":         {policy.Config{Timeout: -1}, []string{"Config.Timeout", "-1ns"}},
		"a negative attempt timeout": {policy.Config{AttemptTimeout: -second}, []string{"Config.AttemptTimeout", "-1s"}},
		"an attempt timeout beyond the timeout": {
			policy.Config{Timeout: 5 * second, AttemptTimeout: 10 * second},
			[]string{"Config.AttemptTimeout is 10s, which is not less than Timeout 5s: the attempt could never run into it"},
		},
		"an attempt timeout equal to the timeout": {
			policy.Config{Timeout: 5 * second, AttemptTimeout: 5 * second},
			[]string{"Config.AttemptTimeout is 5s", "Timeout 5s"},
		},
		"an attempt timeout beyond that of the retries": {
			policy.Config{AttemptTimeout: 6 * second, Retry: with(func(c *retry.Config) { c.Timeout = 5 * second })},
			[]string{"Config.AttemptTimeout is 6s", "the Timeout of Retry 5s"},
		},
		"an attempt timeout between both": {
			policy.Config{AttemptTimeout: 6 * second, Timeout: 7 * second, Retry: with(func(c *retry.Config) { c.Timeout = 5 * second })},
			[]string{"Config.AttemptTimeout is 6s", "the Timeout of Retry 5s"},
		},
		"an attempt timeout in the retries": {
			policy.Config{Retry: with(func(c *retry.Config) { c.AttemptTimeout = second })},
			[]string{"Config.Retry has the AttemptTimeout 1s", "set it in Config.AttemptTimeout"},
		},
		"a timeout of the retries beyond the timeout": {
			policy.Config{Timeout: 10 * second, Retry: with(func(c *retry.Config) { c.Timeout = 11 * second })},
			[]string{"Config.Retry has the Timeout 11s", "Timeout 10s"},
		},
		"delays that reach the timeout": {
			policy.Config{Timeout: 3 * second, Retry: newRetry(t, three)},
			[]string{"Config.Retry makes 3 attempts with delays of up to 3s in all", "Timeout 3s"},
		},
		"delays that reach the timeout of the retries": {
			policy.Config{Retry: with(func(c *retry.Config) { c.Timeout = 2 * second })},
			[]string{"delays of up to 3s", "the Timeout of Retry 2s"},
		},
		"default delays beyond the timeout": {
			policy.Config{Timeout: 300 * time.Millisecond, Retry: newRetry(t, retry.Config{})},
			[]string{"3 attempts", "300ms"},
		},
		"the delays of no policy": { // nil is that of the zero Config, in package retry
			policy.Config{Timeout: second, Retry: newRetry(t, retry.Config{MaxAttempts: 1000})},
			[]string{"1000 attempts"},
		},
		"delays without end": {
			policy.Config{Timeout: math.MaxInt64, Retry: newRetry(t, retry.Config{
				MaxAttempts: 1000, BaseDelay: math.MaxInt64 / 2, MaxDelay: math.MaxInt64, Multiplier: 1e300,
			})},
			[]string{"1000 attempts", time.Duration(math.MaxInt64).String()},
		},
		"delays and a minimum beyond the end of time": {
			policy.Config{Timeout: math.MaxInt64, Retry: newRetry(t, retry.Config{
				BaseDelay: math.MaxInt64 / 2, MaxDelay: math.MaxInt64, MinAttempt: math.MaxInt64 - 1,
			})},
			[]string{"3 attempts"},
		},
		"decorrelated delays, which grow by 3": {
			policy.Config{Timeout: 12 * second, Retry: with(func(c *retry.Config) { c.Jitter = retry.DecorrelatedJitter })},
			[]string{"delays of up to 12s"}, // 3 s + 9 s
		},
		"proportional delays, which exceed their middle": {
			policy.Config{Timeout: 3600 * time.Millisecond, Retry: with(func(c *retry.Config) { c.Jitter = retry.ProportionalJitter })},
			[]string{"delays of up to 3.6s"},
		},
		"delays that leave too little for the last attempt": {
			policy.Config{Timeout: 4 * second, Retry: with(func(c *retry.Config) { c.MinAttempt = second })},
			[]string{"delays of up to 3s in all and a MinAttempt of 1s, which reach", "Timeout 4s"},
		},
		"a minimum for an attempt that reaches the timeout": {
			policy.Config{Timeout: 4 * second, Retry: with(func(c *retry.Config) {
				c.MinAttempt, c.BackOff = 4*second, func() retry.BackOff { return noBackOff{} }
			})},
			[]string{"Config.Retry has the MinAttempt 4s", "Timeout 4s"},
		},
		"two hedges": {
			policy.Config{Hedge: hedge, Retry: with(func(c *retry.Config) { c.Hedge = hedge })},
			[]string{"Config.Hedge", "Retry has a Hedge too"},
		},
		"a hedge after the attempt": {
			policy.Config{Hedge: hedge, AttemptTimeout: 2 * second},
			[]string{"Config.Hedge.Delay is 2s", "AttemptTimeout 2s"},
		},
		"a hedge of the retries after the attempt": {
			policy.Config{Retry: with(func(c *retry.Config) { c.Hedge = hedge }), AttemptTimeout: second},
			[]string{"Config.Retry has a Hedge whose Delay is 2s", "AttemptTimeout 1s"},
		},
		"a hedge after the timeout": {
			policy.Config{Hedge: hedge, Timeout: 2 * second},
			[]string{"Config.Hedge.Delay is 2s", "Timeout 2s"},
		},
		"no limiter in the limit": {
			policy.Config{Limit: (*rate.Limiter)(nil)},
			[]string{"Config.Limit is a nil *rate.Limiter"},
		},
		"no breaker in the breaker": {
			policy.Config{Breaker: (*breaker.Breaker)(nil)},
			[]string{"Config.Breaker is a nil *breaker.Breaker"},
		},
		"no group in the breaker": {
			policy.Config{Breaker: (*breaker.Group)(nil)},
			[]string{"Config.Breaker is a nil *breaker.Group"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := policy.New(test.config)
			assert.Error(t, err)
			assert.True(t, p == nil, "a policy besides the error")
			assert.True(t, strings.HasPrefix(err.Error(), "policy: Config."), err.Error())
			for _, want := range test.want {
				assert.Contains(t, err.Error(), want)
			}
		})
	}
}

func TestNewAcceptsWhatJustWorks(t *testing.T) {
	t.Parallel()
	const second = time.Second
	retries := newRetry(t, retry.Config{BaseDelay: second, MaxDelay: 10 * second})
	hedge := newHedge(t, retry.HedgeConfig{Delay: 2 * second})
	for name, config := range map[string]policy.Config{
		"nothing":                        {},
		"an attempt timeout without one": {AttemptTimeout: math.MaxInt64},
		"an attempt timeout just below":  {Timeout: 5 * second, AttemptTimeout: 5*second - 1},
		"delays just below":              {Timeout: 3*second + 1, Retry: retries},
		"delays without a timeout":       {Retry: retries},
		"many attempts up to the cap": {Timeout: 26*second + 1, Retry: newRetry(t, retry.Config{
			MaxAttempts: 7, BaseDelay: second, MaxDelay: 5 * second, Multiplier: 3, // 1 + 3 + 5 + 5 + 5 + 5
		})},
		"one attempt without delays": {Timeout: 1, Retry: newRetry(t, retry.Config{MaxAttempts: 1, BaseDelay: second})},
		"proportional delays up to the cap": {Timeout: 2*second + 1, Retry: newRetry(t, retry.Config{
			BaseDelay: second, MaxDelay: second, Jitter: retry.ProportionalJitter,
		})},
		"equal and no jitter": {Timeout: 2*second + 1, Retry: newRetry(t, retry.Config{
			BaseDelay: second, MaxDelay: second, Jitter: retry.NoJitter,
		})},
		"delays of somebody else": {Timeout: 1, Retry: newRetry(t, retry.Config{
			BaseDelay: second, BackOff: func() retry.BackOff { return noBackOff{} },
		})},
		"one attempt, and a minimum for others": {Timeout: second, Retry: newRetry(t, retry.Config{
			MaxAttempts: 1, MinAttempt: second,
		})},
		"the same timeout of the retries":  {Timeout: second, Retry: newRetry(t, retry.Config{Timeout: second})},
		"a shorter timeout of the retries": {Timeout: 10 * second, Retry: newRetry(t, retry.Config{Timeout: second})},
		"a hedge just below":               {Hedge: hedge, AttemptTimeout: 2*second + 1, Timeout: 3 * second},
		"a limiter that is no pointer":     {Limit: limiterFunc(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := policy.New(config)
			assert.NoError(t, err)
		})
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	assert.Equal(t, newPolicy(t, policy.Config{Name: "payments"}).Name(), "payments")
	assert.Equal(t, (*policy.Policy)(nil).Name(), "")
}

func TestErrorsReadWell(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want string
	}{
		{&policy.FullError{Limit: 3, Queued: 2}, `policy: bulkhead is full: its limit is 3, 2 wait`},
		{&policy.FullError{Name: "db", Limit: 3, Waited: true}, `policy: bulkhead "db" is full and stayed so: its limit is 3, 0 wait`},
		{&policy.LimitError{Err: fmt.Errorf("enough")}, `policy: limit: enough`},
		{&policy.LimitError{Name: "db", Err: fmt.Errorf("enough")}, `policy: limit "db": enough`},
	} {
		assert.Equal(t, test.err.Error(), test.want)
	}
}

func TestPolicyHandsOutItsParts(t *testing.T) {
	t.Parallel()
	b := newBreaker(t, breaker.Config{})
	bulkhead, err := policy.NewBulkhead(policy.BulkheadConfig{})
	assert.NoError(t, err)
	whole := newPolicy(t, policy.Config{Breaker: b, Bulkhead: bulkhead})
	assert.True(t, whole.Breaker() == b && whole.Bulkhead() == bulkhead)

	group, err := breaker.NewGroup(breaker.GroupConfig{})
	assert.NoError(t, err)
	assert.True(t, newPolicy(t, policy.Config{Name: "orders", Breaker: group}).Breaker() == group.For("orders"))

	for _, none := range []*policy.Policy{nil, newPolicy(t, policy.Config{})} {
		assert.True(t, none.Breaker() == nil && none.Bulkhead() == nil)
	}
}

// A policy that gave up is not an error for ever: who comes again later may succeed.
func TestRejectionsSayThatTheyMayEnd(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&policy.FullError{}, &policy.LimitError{Err: errors.New("no")}} {
		assert.Equal(t, assert.ErrorAs[interface {
			error
			RetryAfter() time.Duration
		}](t, err).RetryAfter(), 0)
	}
	limit := &policy.LimitError{Err: retry.After(errors.New("no"), time.Minute)}
	assert.Equal(t, limit.RetryAfter(), time.Minute)
}
