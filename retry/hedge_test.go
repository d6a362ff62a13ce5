package retry_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

func newHedge(t testing.TB, c retry.HedgeConfig) *retry.Hedge {
	t.Helper()
	h, err := retry.NewHedge(c)
	assert.NoError(t, err)
	return h
}

// hedging is a policy of one attempt, hedged.
func hedging(t testing.TB, c retry.HedgeConfig) *retry.Policy {
	t.Helper()
	return newPolicy(t, retry.Config{MaxAttempts: 1, Hedge: newHedge(t, c)})
}

// run is how one run of a function goes: after so long it returns.
type run struct {
	after  time.Duration
	err    error
	ignore bool // that its context ends
}

// runs returns a function that goes like these, one after the other, and returns
// the number of its run.
func runs(started *atomic.Int32, list ...run) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		number := int(started.Add(1))
		r := list[number-1]
		if r.ignore {
			time.Sleep(r.after)
			return number, r.err
		}
		select {
		case <-time.After(r.after):
			return number, r.err
		case <-ctx.Done():
			return number, context.Cause(ctx)
		}
	}
}

func TestHedge_takesTheFirstSuccess(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		config  retry.HedgeConfig
		runs    []run
		want    int // the run that wins, 0 if none does
		started int32
		after   time.Duration
	}{
		"a fast one is alone":             {retry.HedgeConfig{}, []run{{after: 99 * ms}}, 1, 1, 99 * ms},
		"a slow one is overtaken":         {retry.HedgeConfig{}, []run{{after: time.Hour}, {after: 5 * ms}}, 2, 2, 105 * ms},
		"a slow one comes first yet":      {retry.HedgeConfig{}, []run{{after: 150 * ms}, {after: time.Hour}}, 1, 2, 150 * ms},
		"nobody waits for those who lost": {retry.HedgeConfig{}, []run{{after: time.Minute, ignore: true}, {after: ms}}, 2, 2, 101 * ms},
		"one delay after the other":       {retry.HedgeConfig{Delay: 10 * ms, MaxHedges: 3}, []run{{after: time.Hour}, {after: time.Hour}, {after: time.Hour}, {after: ms}}, 4, 4, 31 * ms},
		"no more than MaxHedges":          {retry.HedgeConfig{Delay: 10 * ms}, []run{{after: 90 * ms}, {after: time.Hour}}, 1, 2, 90 * ms},
		"if one fails the others go on":   {retry.HedgeConfig{}, []run{{after: 110 * ms, err: errOdd}, {after: 50 * ms}}, 2, 2, 150 * ms},
		"if the hedge fails, too":         {retry.HedgeConfig{}, []run{{after: 150 * ms}, {after: 5 * ms, err: errOdd}}, 1, 2, 150 * ms},
		"hedges go on after a failure":    {retry.HedgeConfig{Delay: 10 * ms, MaxHedges: 2}, []run{{after: 15 * ms, err: errOdd}, {after: time.Hour}, {after: ms}}, 3, 3, 21 * ms},
		"alone, a failure is one at once": {retry.HedgeConfig{}, []run{{after: 50 * ms, err: errOdd}}, 0, 1, 50 * ms},
		"failed when all have":            {retry.HedgeConfig{}, []run{{after: 110 * ms, err: errOdd}, {after: 50 * ms, err: errBusy}}, 0, 2, 150 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var started atomic.Int32
				begin := time.Now()
				got, err := retry.Do(t.Context(), hedging(t, test.config), runs(&started, test.runs...))
				assert.Equal(t, time.Since(begin), test.after)
				if test.want > 0 {
					assert.NoError(t, err)
					assert.Equal(t, got, test.want)
				} else {
					assert.Error(t, err)
				}
				synctest.Wait()
				assert.Equal(t, started.Load(), test.started)
				time.Sleep(time.Hour) // until those who ignore their context are gone
			})
		})
	}
}

func TestHedge_cancelsThoseWhoLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cancelled atomic.Int32
		var started atomic.Int32
		_, err := retry.Do(t.Context(), hedging(t, retry.HedgeConfig{MaxHedges: 3}), func(ctx context.Context) (int, error) {
			if started.Add(1) == 3 {
				return 3, nil
			}
			<-ctx.Done()
			cancelled.Add(1)
			return 0, ctx.Err()
		})
		assert.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, cancelled.Load(), 2)
	})
}

func TestHedge_endsTheContextOfARunWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := make(chan context.Context, 1)
		var started atomic.Int32
		ended, err := retry.Do(t.Context(), hedging(t, retry.HedgeConfig{}), func(ctx context.Context) (error, error) {
			if started.Add(1) == 1 {
				first <- ctx
				time.Sleep(200 * time.Millisecond)
				return nil, errOdd
			}
			time.Sleep(time.Second)
			return (<-first).Err(), nil
		})
		assert.NoError(t, err)
		assert.ErrorIs(t, ended, context.Canceled)
	})
}

func TestHedge_losesNoError(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	errOther := errors.New("other")
	for name, test := range map[string]struct {
		runs []run
		text string
		is   []error
		not  error
	}{
		"one": {[]run{{err: errOdd}}, "odd", []error{errOdd}, nil},
		"the last is the one to judge by": {
			[]run{{after: 250 * ms, err: errOdd}, {after: 50 * ms, err: errOther}, {after: 100 * ms, err: errBusy}},
			"status 503 Service Unavailable; hedged: odd; hedged: other",
			[]error{errBusy, errOdd, errOther},
			nil,
		},
		"but not if it was cancelled": {
			[]run{{after: 250 * ms, err: errOdd}, {after: 200 * ms, err: context.Canceled}, {after: time.Second, err: context.Canceled}},
			"odd; hedged: context canceled; hedged: context canceled",
			[]error{errOdd},
			context.Canceled,
		},
		"nor the first": {
			[]run{{after: 150 * ms, err: context.Canceled}, {after: 200 * ms, err: errOdd}, {after: time.Second, err: errOther}},
			"other; hedged: odd; hedged: context canceled",
			[]error{errOther, errOdd},
			context.Canceled,
		},
		"unless all were": {
			[]run{{after: 250 * ms, err: context.Canceled}, {after: 200 * ms, err: context.Canceled}, {after: 200 * ms, err: context.Canceled}},
			"context canceled; hedged: context canceled; hedged: context canceled",
			[]error{context.Canceled},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var started atomic.Int32
				p := newPolicy(t, retry.Config{
					MaxAttempts: 1, RetryIf: func(error) bool { return true },
					Hedge: newHedge(t, retry.HedgeConfig{MaxHedges: 2}),
				})
				_, err := retry.Do(t.Context(), p, runs(&started, test.runs...))
				err = assert.ErrorAs[*retry.Error](t, err).Last
				assert.Equal(t, err.Error(), test.text)
				for _, is := range test.is {
					assert.ErrorIs(t, err, is)
				}
				if test.not != nil {
					assert.False(t, errors.Is(err, test.not), "%v matches %v", err, test.not)
				}
			})
		})
	}
}

func TestHedge_isRetriedAsAWhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var started atomic.Int32
		var hedges []int
		p := newPolicy(t, retry.Config{
			Jitter: retry.NoJitter, Hedge: newHedge(t, retry.HedgeConfig{Delay: time.Second}),
			Hooks: retry.Hooks{Hedge: func(number int) { hedges = append(hedges, number) }},
		})
		got, err := retry.Do(t.Context(), p, runs(&started,
			run{after: 2 * time.Second, err: errBusy}, run{after: 3 * time.Second, err: errBusy},
			run{after: time.Hour}, run{}))
		assert.NoError(t, err)
		assert.Equal(t, got, 4)
		assert.Equal(t, hedges, []int{1, 1})
	})
}

func TestHedge_returnsWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for name, list := range map[string][]run{
		"alone, with a function that knows": {{after: time.Hour}, {after: time.Hour}},
		"with one that does not":            {{after: time.Minute, ignore: true}, {after: time.Minute, ignore: true}},
		"after a failure":                   {{after: 2 * second, err: errOdd}, {after: time.Minute, ignore: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), 3*second, errReason)
				defer cancel()
				var started atomic.Int32
				begin := time.Now()
				_, err := retry.Do(ctx, hedging(t, retry.HedgeConfig{Delay: second}), runs(&started, list...))
				assert.Equal(t, time.Since(begin), 3*second)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.ErrorIs(t, err, errReason)
				if list[0].err != nil {
					assert.ErrorIs(t, err, list[0].err)
				}
				time.Sleep(time.Hour) // until those who ignore their context are gone
			})
		})
	}
}

func TestHedge_givesEachRunItsAttemptTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolicy(t, retry.Config{
			MaxAttempts: 1, AttemptTimeout: 3 * time.Second, Hedge: newHedge(t, retry.HedgeConfig{Delay: 2 * time.Second}),
		})
		var started atomic.Int32
		begin := time.Now()
		got, err := retry.Do(t.Context(), p, runs(&started, run{after: time.Hour}, run{after: 2900 * time.Millisecond}))
		assert.NoError(t, err)
		assert.Equal(t, got, 2)
		assert.Equal(t, time.Since(begin), 4900*time.Millisecond)
	})
}

func TestHedge_takesFromTheBudgetWithoutItsFloor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		budget := newBudget(t, retry.BudgetConfig{})
		p := newPolicy(t, retry.Config{
			MaxAttempts: 1, Budget: budget, Hedge: newHedge(t, retry.HedgeConfig{MaxHedges: 3}),
		})
		started := 0
		for range 1000 {
			var runs atomic.Int32
			_, err := retry.Do(t.Context(), p, func(context.Context) (int, error) {
				runs.Add(1)
				time.Sleep(time.Second)
				return 0, nil
			})
			assert.NoError(t, err)
			started += int(runs.Load())
		}
		synctest.Wait()
		hedges := started - 1000
		// Each hedge needs five calls of the 9 or 10 that are in the window, which all
		// take a second.
		assert.True(t, hedges > 150 && hedges <= 200, "%d hedges for 1,000 calls", hedges)
		assert.Equal(t, budget.Balance() > 90, true, "the floor was spent on hedges: %d are left", budget.Balance())

		// What retries have taken from the same budget is missing for hedges.
		shared := newBudget(t, retry.BudgetConfig{Window: time.Hour})
		for range 50 {
			shared.Deposit()
		}
		for range 10 {
			assert.True(t, shared.Withdraw())
		}
		p = newPolicy(t, retry.Config{MaxAttempts: 1, Budget: shared, Hedge: newHedge(t, retry.HedgeConfig{})})
		var runs atomic.Int32
		_, _ = retry.Do(t.Context(), p, func(context.Context) (int, error) {
			runs.Add(1)
			time.Sleep(time.Second)
			return 0, nil
		})
		assert.Equal(t, runs.Load(), 1)
	})
}

func TestHedge_passesAPanicToTheCaller(t *testing.T) {
	t.Parallel()
	type own struct{ int }
	for name, at := range map[string]int32{"of the first run": 1, "of the hedge": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var started, cancelled atomic.Int32
				value := assert.Panics(t, func() {
					_, _ = retry.Do(t.Context(), hedging(t, retry.HedgeConfig{}), func(ctx context.Context) (int, error) {
						if started.Add(1) == at {
							time.Sleep(time.Second)
							panic(own{7})
						}
						<-ctx.Done()
						cancelled.Add(1)
						return 0, nil
					})
				})
				assert.Equal(t, value, any(own{7}))
				synctest.Wait()
				assert.Equal(t, cancelled.Load(), 1)
			})
		})
	}
	t.Run("of nil", func(t *testing.T) {
		t.Parallel()
		value := assert.Panics(t, func() {
			_, _ = retry.Do(t.Context(), hedging(t, retry.HedgeConfig{}), func(context.Context) (int, error) { panic(nil) }) //nolint:govet // this is the case
		})
		_, ok := value.(*runtime.PanicNilError)
		assert.True(t, ok, "%T", value)
	})
}

func TestHedge_dropsThePanicOfThoseWhoLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var started atomic.Int32
		value := assert.Panics(t, func() {
			_, _ = retry.Do(t.Context(), hedging(t, retry.HedgeConfig{}), func(context.Context) (int, error) {
				defer panic(int(started.Add(1)))
				time.Sleep(time.Second)
				return 0, nil
			})
		})
		assert.Equal(t, value, any(1))
		time.Sleep(time.Second) // the other one panics now, and nobody is hurt
		synctest.Wait()
	})
}

func TestHedge_passesGoexitToTheCaller(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int32{"of the first run": 1, "of the hedge": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var started, cancelled atomic.Int32
				after := "Goexit"
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, _ = retry.Do(t.Context(), hedging(t, retry.HedgeConfig{}), func(ctx context.Context) (int, error) {
						if started.Add(1) == at {
							time.Sleep(time.Second)
							runtime.Goexit()
						}
						<-ctx.Done()
						cancelled.Add(1)
						return 0, nil
					})
					after = "Do has returned"
				}()
				<-done
				assert.Equal(t, after, "Goexit")
				synctest.Wait()
				assert.Equal(t, cancelled.Load(), 1)
			})
		})
	}
}

func TestHedge_survivesAPanicOfItsHook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolicy(t, retry.Config{
			Hedge: newHedge(t, retry.HedgeConfig{}),
			Hooks: retry.Hooks{Hedge: func(int) { panic("hook") }},
		})
		var cancelled atomic.Bool
		value := assert.Panics(t, func() {
			_, _ = retry.Do(t.Context(), p, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				cancelled.Store(true)
				return 0, ctx.Err()
			})
		})
		assert.Equal(t, value, any("hook"))
		synctest.Wait()
		assert.True(t, cancelled.Load())
	})
}

// learn makes calls of these latencies.
func learn(t *testing.T, p *retry.Policy, latencies ...time.Duration) {
	t.Helper()
	for _, latency := range latencies {
		_, err := retry.Do(t.Context(), p, func(ctx context.Context) (int, error) {
			select {
			case <-time.After(latency):
			case <-ctx.Done():
			}
			return 0, ctx.Err()
		})
		assert.NoError(t, err)
	}
}

func TestHedge_learnsItsDelay(t *testing.T) {
	t.Parallel()
	for _, quantile := range []float64{0.01, 0.5, 0.9, 0.95, 0.999} {
		for scale := time.Microsecond; scale <= time.Hour; scale *= 60 {
			synctest.Test(t, func(t *testing.T) {
				h := newHedge(t, retry.HedgeConfig{Delay: 10000 * time.Hour, Quantile: quantile})
				p := newPolicy(t, retry.Config{Hedge: h})
				var latencies []time.Duration
				for range 490 {
					latencies = append(latencies, time.Duration(float64(scale)*math.Exp(rand.NormFloat64()))+1)
				}
				learn(t, p, latencies...)
				slices.Sort(latencies)
				want := latencies[int(math.Ceil(quantile*490))-1]
				got := h.Delay()
				assert.True(t, got > want*9/10 && got <= want*11/10, "quantile %v of %v: %v, want %v", quantile, scale, got, want)
			})
		}
	}
}

func TestHedge_learnsOnlyFromEnough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, retry.HedgeConfig{Quantile: 0.5})
		p := newPolicy(t, retry.Config{Hedge: h})
		assert.Equal(t, h.Delay(), 100*time.Millisecond)
		learn(t, p, slices.Repeat([]time.Duration{10 * time.Millisecond}, 49)...)
		assert.Equal(t, h.Delay(), 100*time.Millisecond)
		learn(t, p, 10*time.Millisecond)
		assert.True(t, h.Delay() > 10*time.Millisecond && h.Delay() < 11*time.Millisecond, "learned %v", h.Delay())
	})
}

func TestHedge_forgetsWhatIsPast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, retry.HedgeConfig{Delay: time.Hour, Quantile: 0.5})
		p := newPolicy(t, retry.Config{Hedge: h})
		learn(t, p, slices.Repeat([]time.Duration{time.Minute}, 1500)...)
		assert.True(t, h.Delay() > time.Minute && h.Delay() < 64*time.Second, "learned %v", h.Delay())
		learn(t, p, slices.Repeat([]time.Duration{time.Second}, 100)...)
		assert.True(t, h.Delay() > time.Minute, "learned %v of a few", h.Delay())
		learn(t, p, slices.Repeat([]time.Duration{time.Second}, 900)...)
		assert.True(t, h.Delay() > time.Second && h.Delay() < 1100*time.Millisecond, "learned %v", h.Delay())
	})
}

func TestHedge_learnsFromSuccessAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, retry.HedgeConfig{Quantile: 0.5})
		p := newPolicy(t, retry.Config{MaxAttempts: 1, Hedge: h})
		for range 200 {
			_, _ = retry.Do(t.Context(), p, func(context.Context) (int, error) { return 0, errOdd })
		}
		assert.Equal(t, h.Delay(), 100*time.Millisecond)
	})
}

// If only those who win were counted, the slow ones would vanish: the delay would
// fall, there would be more hedges, and even fewer slow ones.
func TestHedge_delayDoesNotFallBecauseOfHedges(t *testing.T) {
	t.Parallel()
	const calls = 5000
	synctest.Test(t, func(t *testing.T) {
		hedges := 0
		p := newPolicy(t, retry.Config{
			Hedge: newHedge(t, retry.HedgeConfig{Delay: time.Hour, Quantile: 0.9}),
			Hooks: retry.Hooks{Hedge: func(int) { hedges++ }},
		})
		for range calls {
			_, err := retry.Do(t.Context(), p, func(ctx context.Context) (int, error) {
				select {
				case <-time.After(time.Duration(float64(time.Second) * rand.ExpFloat64())):
				case <-ctx.Done():
				}
				return 0, ctx.Err()
			})
			assert.NoError(t, err)
		}
		part := float64(hedges) / calls
		assert.True(t, part > 0.06 && part < 0.13, "%.3f of the calls were hedged, want about 0.1", part)
	})
}

func TestHedge_isSafeToShare(t *testing.T) {
	t.Parallel()
	h := newHedge(t, retry.HedgeConfig{Delay: 50 * time.Microsecond, Quantile: 0.5, MaxHedges: 2})
	p := newPolicy(t, retry.Config{Hedge: h, Budget: newBudget(t, retry.BudgetConfig{Ratio: 1})})
	var done sync.WaitGroup
	for i := range 50 {
		done.Go(func() {
			for j := range 40 {
				got, err := retry.Do(t.Context(), p, func(context.Context) (int, error) {
					runtime.Gosched()
					return i*1000 + j, nil
				})
				if err != nil || got != i*1000+j {
					t.Errorf("got %d, %v", got, err)
				}
				h.Delay()
			}
		})
	}
	done.Wait()
}

func TestNewHedge_refusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]retry.HedgeConfig{
		"retry: HedgeConfig.Delay is -1ns, want none or more than 0":                                          {Delay: -1},
		"retry: HedgeConfig.Quantile is NaN, want above 0 and below 1":                                        {Quantile: math.NaN()},
		"retry: HedgeConfig.Quantile is 1, want above 0 and below 1":                                          {Quantile: 1},
		"retry: HedgeConfig.Quantile is -0.5, want above 0 and below 1":                                       {Quantile: -0.5},
		"retry: HedgeConfig.Quantile is +Inf, want above 0 and below 1":                                       {Quantile: math.Inf(1)},
		"retry: HedgeConfig.MaxHedges is -1, want 1 to 10":                                                    {MaxHedges: -1},
		"retry: HedgeConfig.MaxHedges is 11, want 1 to 10":                                                    {MaxHedges: 11},
		fmt.Sprintf("retry: HedgeConfig.Delay is %v, want none or more than 0", time.Duration(math.MinInt64)): {Delay: math.MinInt64},
	} {
		h, err := retry.NewHedge(config)
		assert.Error(t, err, "%+v", config)
		assert.Equal(t, err.Error(), want)
		assert.True(t, h == nil)
	}
	for _, config := range []retry.HedgeConfig{{}, {Delay: 1}, {Delay: math.MaxInt64}, {Quantile: 1e-300}, {MaxHedges: 10}} {
		newHedge(t, config)
	}
}
