package retry_test

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

func newBudget(t testing.TB, c retry.BudgetConfig) *retry.Budget {
	t.Helper()
	b, err := retry.NewBudget(c)
	assert.NoError(t, err)
	return b
}

// withdrawAll takes what there is, and returns how much it was.
func withdrawAll(b *retry.Budget) int {
	taken := 0
	for b.Withdraw() {
		taken++
	}
	return taken
}

func TestBudget_allowsExactlyItsPart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config   retry.BudgetConfig
		deposits int
		want     int
	}{
		"the defaults, without calls":  {retry.BudgetConfig{}, 0, 100},
		"the defaults, with calls":     {retry.BudgetConfig{}, 100, 120},
		"the ratio alone":              {retry.BudgetConfig{NoFloor: true}, 100, 20},
		"not before a whole one":       {retry.BudgetConfig{NoFloor: true}, 4, 0},
		"one whole one":                {retry.BudgetConfig{NoFloor: true}, 5, 1},
		"a product just below":         {retry.BudgetConfig{Ratio: 0.29, NoFloor: true}, 100, 29},
		"a product just above":         {retry.BudgetConfig{Ratio: 0.1, NoFloor: true}, 30, 3},
		"a third":                      {retry.BudgetConfig{Ratio: 1.0 / 3, NoFloor: true}, 3, 1},
		"more retries than calls":      {retry.BudgetConfig{Ratio: 1000, NoFloor: true}, 3, 3000},
		"the smallest ratio":           {retry.BudgetConfig{Ratio: math.SmallestNonzeroFloat64, NoFloor: true}, 1000, 0},
		"a floor of less than one":     {retry.BudgetConfig{MinPerSecond: 0.25, Window: 2 * time.Second}, 0, 0},
		"two parts that make one":      {retry.BudgetConfig{MinPerSecond: 0.25, Window: 2 * time.Second, Ratio: 0.5}, 1, 1},
		"a floor for a short window":   {retry.BudgetConfig{MinPerSecond: 5000, Window: time.Millisecond}, 0, 5},
		"many calls, and none forgone": {retry.BudgetConfig{NoFloor: true}, 1_000_000, 200_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBudget(t, test.config)
				for range test.deposits {
					b.Deposit()
				}
				assert.Equal(t, b.Balance(), test.want, "balance before")
				assert.Equal(t, withdrawAll(b), test.want)
				assert.Equal(t, b.Balance(), 0, "balance after")
			})
		})
	}
}

func TestBudget_forgetsInTenthsOfItsWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, retry.BudgetConfig{NoFloor: true, Ratio: 1, Window: 10 * time.Second})
		time.Sleep(500 * time.Millisecond)
		b.Deposit()
		time.Sleep(9 * time.Second)
		assert.Equal(t, b.Balance(), 1, "9/10 of a window later")
		time.Sleep(time.Second)
		assert.Equal(t, b.Balance(), 0, "a window later")
	})
}

func TestBudget_hasItsFloorAgainAfterAWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, retry.BudgetConfig{MinPerSecond: 3, Window: 10 * time.Second})
		for range 5 {
			assert.Equal(t, withdrawAll(b), 30)
			assert.False(t, b.Withdraw())
			time.Sleep(10 * time.Second)
		}
	})
}

// A budget beside a log of every deposit and withdrawal: it allows no more than the
// log of a whole window does, and no less than that of 9/10 of one.
func TestBudget_agreesWithALogOfMoments(t *testing.T) {
	t.Parallel()
	allowed, refused := 0, 0
	for range 30 {
		synctest.Test(t, func(t *testing.T) {
			seed := rand.Uint64()
			r := rand.New(rand.NewPCG(seed, 1))
			window := time.Duration(1+r.IntN(1000)) * 10 * time.Millisecond
			config := retry.BudgetConfig{Ratio: float64(1+r.IntN(150)) / 100, Window: window, MinPerSecond: float64(r.IntN(20))}
			config.NoFloor = config.MinPerSecond == 0
			b := newBudget(t, config)
			var deposits, withdrawals []time.Time
			within := func(moments []time.Time, span time.Duration) (n float64) {
				for i := len(moments) - 1; i >= 0 && time.Since(moments[i]) < span; i-- {
					n++
				}
				return n
			}
			for range 1000 {
				time.Sleep(time.Duration(r.Int64N(int64(window) / 40)))
				if r.IntN(2) == 0 {
					b.Deposit()
					deposits = append(deposits, time.Now())
					continue
				}
				floor := config.MinPerSecond * window.Seconds()
				most := within(deposits, window)*config.Ratio + floor + 1e-6
				least := within(deposits, window*9/10)*config.Ratio + floor - 1e-6
				if b.Withdraw() {
					allowed++
					withdrawals = append(withdrawals, time.Now())
					taken := within(withdrawals, window*9/10)
					assert.True(t, taken <= most, "seed %d: %v taken in 9/10 of a window, want at most %v", seed, taken, most)
				} else {
					refused++
					taken := within(withdrawals, window)
					assert.True(t, taken+1 > least, "seed %d: refused after %v in a window, want at least %v", seed, taken, least)
				}
			}
		})
	}
	assert.True(t, allowed > 100 && refused > 100, "%d were allowed, %d refused", allowed, refused)
}

func TestBudget_isExactForAThousandGoroutines(t *testing.T) {
	t.Parallel()
	b := newBudget(t, retry.BudgetConfig{Window: time.Hour, MinPerSecond: 100.0 / 3600})
	var ready, done sync.WaitGroup
	var taken atomic.Int64
	start := make(chan struct{})
	for range 1000 {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			for i := range 10 {
				b.Deposit()
				if b.Withdraw() {
					taken.Add(1)
				}
				if i%5 == 0 {
					b.Balance()
				}
			}
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	taken.Add(int64(withdrawAll(b)))
	assert.Equal(t, taken.Load(), 2100, "0.2 × 10,000 calls and the floor")
}

// Two goroutines want the last one at the same moment, again and again.
func TestBudget_givesTheLastOneOnce(t *testing.T) {
	t.Parallel()
	for range 5000 {
		b := newBudget(t, retry.BudgetConfig{MinPerSecond: 1, Window: time.Second})
		var ready, taken atomic.Int32
		var done sync.WaitGroup
		for range 2 {
			done.Go(func() {
				for ready.Add(1); ready.Load() < 2; {
					runtime.Gosched()
				}
				if b.Withdraw() {
					taken.Add(1)
				}
			})
		}
		done.Wait()
		assert.Equal(t, taken.Load(), 1)
	}
}

func TestBudget_neverExceedsTheBoundWhileDepositsCome(t *testing.T) {
	t.Parallel()
	const goroutines, rounds = 100, 50
	b := newBudget(t, retry.BudgetConfig{Ratio: 0.5, NoFloor: true, Window: time.Hour})
	var deposits, taken atomic.Int64
	var done sync.WaitGroup
	for range goroutines {
		done.Go(func() {
			for range rounds {
				// Counted before, and taken after: whatever another goroutine sees in
				// between is in favour of the budget.
				deposits.Add(1)
				b.Deposit()
				if b.Withdraw() {
					if n := taken.Add(1); float64(n) > 0.5*float64(deposits.Load()) {
						t.Errorf("%d taken of %d deposits", n, deposits.Load())
					}
				}
			}
		})
	}
	done.Wait()
	assert.True(t, taken.Load() > goroutines*rounds/4, "only %d were taken", taken.Load())
}

func TestNewBudget_refusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]retry.BudgetConfig{
		"retry: BudgetConfig.Ratio is NaN, want above 0 and at most 1000":            {Ratio: math.NaN()},
		"retry: BudgetConfig.Ratio is -0.1, want above 0 and at most 1000":           {Ratio: -0.1},
		"retry: BudgetConfig.Ratio is 1000.5, want above 0 and at most 1000":         {Ratio: 1000.5},
		"retry: BudgetConfig.Ratio is +Inf, want above 0 and at most 1000":           {Ratio: math.Inf(1)},
		"retry: BudgetConfig.MinPerSecond is NaN, want a number of at least 0":       {MinPerSecond: math.NaN()},
		"retry: BudgetConfig.MinPerSecond is -1, want a number of at least 0":        {MinPerSecond: -1},
		"retry: BudgetConfig.MinPerSecond is +Inf, want a number of at least 0":      {MinPerSecond: math.Inf(1)},
		"retry: BudgetConfig.MinPerSecond is 5, want none with NoFloor":              {MinPerSecond: 5, NoFloor: true},
		"retry: BudgetConfig.Window is 999µs, want at least 1ms":                     {Window: 999 * time.Microsecond},
		"retry: BudgetConfig.Window is -1s, want at least 1ms":                       {Window: -time.Second},
		"retry: BudgetConfig.Window is -2562047h47m16.854775808s, want at least 1ms": {Window: math.MinInt64},
	} {
		b, err := retry.NewBudget(config)
		assert.Error(t, err, "%+v", config)
		assert.Equal(t, err.Error(), want)
		assert.True(t, b == nil)
	}
}

func TestBudget_toleratesTheLargestNumbers(t *testing.T) {
	t.Parallel()
	b := newBudget(t, retry.BudgetConfig{Ratio: 1000, MinPerSecond: math.MaxFloat64, Window: math.MaxInt64})
	b.Deposit()
	assert.True(t, b.Withdraw())
	assert.Equal(t, b.Balance(), math.MaxInt32)
}

func TestBudget_depositsWithoutAllocating(t *testing.T) {
	b := newBudget(t, retry.BudgetConfig{})
	assert.Equal(t, testing.AllocsPerRun(100, b.Deposit), 0)
	assert.Equal(t, testing.AllocsPerRun(100, func() { b.Withdraw() }), 0)
}
