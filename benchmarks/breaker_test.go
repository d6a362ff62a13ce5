package benchmarks_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/sony/gobreaker/v2"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

// The breakers of all contenders have the same rules: they trip after so many
// failures in a row, or at such a rate in a window, and let one probe pass when
// they were open for a minute.
const (
	failuresInRow = 5
	failureRate   = 0.5
	minCalls      = 20
	window        = 10 * time.Second
	resetTimeout  = time.Minute
)

func consecutiveBreakers() []contender {
	return []contender{
		parlanceBreaker(breaker.Config{ConsecutiveFailures: failuresInRow}),
		// Without an Interval it keeps its counts for ever, which is its
		// fastest way.
		goBreaker("gobreaker", gobreaker.Settings{}),
		failsafeBreaker(circuitbreaker.NewBuilder[int]().WithFailureThreshold(failuresInRow)),
	}
}

func windowBreakers() []contender {
	rate := func(counts gobreaker.Counts) bool {
		return counts.Requests >= minCalls && float64(counts.TotalFailures) >= failureRate*float64(counts.Requests)
	}
	return []contender{
		parlanceBreaker(breaker.Config{FailureRate: failureRate, MinCalls: minCalls, Window: window}),
		// The window moves in ten steps, as those of the others do.
		goBreaker("gobreaker", gobreaker.Settings{Interval: window, BucketPeriod: window / 10, ReadyToTrip: rate}),
		// The window that it empties all at once costs less.
		goBreaker("gobreaker-fixed", gobreaker.Settings{Interval: window, ReadyToTrip: rate}),
		failsafeBreaker(circuitbreaker.NewBuilder[int]().WithFailureRateThreshold(failureRate, minCalls, window)),
	}
}

func parlanceBreaker(c breaker.Config) contender {
	return contender{"parlance", func(tb testing.TB) caller {
		c.ResetTimeout = resetTimeout
		b, err := breaker.New(c)
		assert.NoError(tb, err)
		return func(ctx context.Context, fn function) (int, error) { return breaker.Do(ctx, b, fn) }
	}}
}

// goBreaker hands the context to the function past gobreaker, which has none.
func goBreaker(name string, settings gobreaker.Settings) contender {
	return contender{name, func(testing.TB) caller {
		settings.Timeout = resetTimeout
		if settings.ReadyToTrip == nil {
			settings.ReadyToTrip = func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= failuresInRow }
		}
		b := gobreaker.NewCircuitBreaker[int](settings)
		return func(ctx context.Context, fn function) (int, error) {
			return b.Execute(func() (int, error) { return fn(ctx) })
		}
	}}
}

// failsafeBreaker hands the context to the function past failsafe-go: its breaker
// does not look at it, and giving it one would cost a copy of the executor.
func failsafeBreaker(builder circuitbreaker.Builder[int]) contender {
	return contender{"failsafe-go", func(testing.TB) caller {
		executor := failsafe.With(builder.WithSuccessThreshold(1).WithDelay(resetTimeout).Build())
		return func(ctx context.Context, fn function) (int, error) {
			return executor.Get(func() (int, error) { return fn(ctx) })
		}
	}}
}

// trip makes so many failing calls that every rule above trips.
func trip(do caller) {
	for range 2 * minCalls {
		_, _ = do(context.Background(), down)
	}
}

func BenchmarkBreaker(b *testing.B) {
	b.Run("consecutive", func(b *testing.B) { compare(b, work{}, append(consecutiveBreakers(), bare)...) })
	// A deadline costs parlance a look at the clock: whether a call that runs out of
	// time is a failure depends on how much it had.
	b.Run("consecutive-deadline", func(b *testing.B) { compare(b, work{deadline: true}, append(consecutiveBreakers(), bare)...) })
	b.Run("time-window", func(b *testing.B) { compare(b, work{}, append(windowBreakers(), bare)...) })
	// Neither peer can trip on slow calls. The floor reads the clock before and
	// after the call.
	b.Run("slow-calls", func(b *testing.B) { compare(b, work{}, slowCallBreaker, clocked) })
	b.Run("rejection", func(b *testing.B) {
		compare(b, work{prepare: trip, fails: true}, append(consecutiveBreakers(), refusal)...)
	})
	b.Run("by-key", func(b *testing.B) { compare(b, work{}, keyedBreakers()...) })
}

var slowCallBreaker = parlanceBreaker(breaker.Config{
	FailureRate: failureRate, SlowCallRate: failureRate, SlowCallThreshold: time.Second, MinCalls: minCalls, Window: window,
})

var errSlow = errors.New("a slow call")

var clocked = contender{"floor", func(testing.TB) caller {
	return func(ctx context.Context, fn function) (int, error) {
		start := time.Now()
		n, err := fn(ctx)
		if time.Since(start) > time.Second {
			return n, errSlow
		}
		return n, err
	}
}}

var refusal = contender{"floor", func(testing.TB) caller {
	return func(ctx context.Context, _ function) (int, error) { return down(ctx) }
}}

// keyedBreakers choose one of 64 breakers by the name of a host. Neither peer has
// breakers by key; what stands beside a Group, which is bounded, is the map that
// their users write, which is not.
func keyedBreakers() []contender {
	var hosts [64]string
	for i := range hosts {
		hosts[i] = "host-" + strconv.Itoa(i) + ".example.com:443"
	}
	host := func() string { return hosts[rand.Uint32N(uint32(len(hosts)))] }
	byKey := func(c contender) contender {
		return contender{c.name, func(tb testing.TB) caller {
			var callers sync.Map
			for _, host := range &hosts {
				callers.Store(host, c.make(tb))
			}
			return func(ctx context.Context, fn function) (int, error) {
				do, _ := callers.Load(host())
				return do.(caller)(ctx, fn)
			}
		}}
	}
	contenders := []contender{{"parlance", func(tb testing.TB) caller {
		group, err := breaker.NewGroup(breaker.GroupConfig{
			Breaker: breaker.Config{ConsecutiveFailures: failuresInRow, ResetTimeout: resetTimeout},
		})
		assert.NoError(tb, err)
		return func(ctx context.Context, fn function) (int, error) { return breaker.Do(ctx, group.For(host()), fn) }
	}}}
	for _, c := range append(consecutiveBreakers()[1:], bare) {
		contenders = append(contenders, byKey(c))
	}
	return contenders
}

// TestBreakersAreAlike shows that the contenders of the benchmarks do what they
// are compared for: they trip, by the rule they were given, and reject.
func TestBreakersAreAlike(t *testing.T) {
	for _, test := range []struct {
		name     string
		breakers []contender
		trips    int // the number of failures that it takes
	}{
		{"consecutive", consecutiveBreakers(), failuresInRow},
		{"time window", windowBreakers(), minCalls},
	} {
		for _, c := range test.breakers {
			t.Run(test.name+"/"+c.name, func(t *testing.T) {
				do := c.make(t)
				calls := 0
				for range 100 {
					_, err := do(t.Context(), func(context.Context) (int, error) { calls++; return 0, errDown })
					assert.Error(t, err)
				}
				assert.Equal(t, calls, test.trips)
			})
		}
	}
}

// TestBreakerAllocatesNothing holds for admission, for rejection and for choosing
// a breaker by key.
func TestBreakerAllocatesNothing(t *testing.T) {
	rejecting := contender{"rejecting", func(tb testing.TB) caller {
		do := consecutiveBreakers()[0].make(tb)
		trip(do)
		return do
	}}
	for name, c := range map[string]contender{
		"consecutive": consecutiveBreakers()[0],
		"time-window": windowBreakers()[0],
		"slow-calls":  slowCallBreaker,
		"rejection":   rejecting,
		"by-key":      keyedBreakers()[0],
	} {
		t.Run(name, func(t *testing.T) {
			do, ctx := c.make(t), t.Context()
			assert.Equal(t, testing.AllocsPerRun(1000, func() { _, _ = do(ctx, answer) }), 0)
		})
	}
}
