package retry

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/parlance-go/parlance/internal/rolling"
)

// BudgetConfig says how much a [Budget] allows.
type BudgetConfig struct {
	// Ratio is how many retries there may be for each call, above 0 and at most
	// 1,000.
	// Defaults to 0.2.
	Ratio float64

	// MinPerSecond is how many retries a second there may be whatever the number
	// of calls. The calls of a whole Window may be spent at once. NoFloor means 0,
	// and goes with no MinPerSecond.
	// Defaults to 10.
	MinPerSecond float64
	NoFloor      bool

	// Window is how long a call counts, at least 1 ms. It is counted in tenths:
	// what happened is forgotten after 9/10 of the window at the earliest, and
	// after all of it at the latest.
	// Defaults to 10 s.
	Window time.Duration
}

const (
	defaultRatio        = 0.2
	maxRatio            = 1000
	defaultMinPerSecond = 10
	defaultWindow       = 10 * time.Second
	minWindow           = time.Millisecond
)

// The lanes of a budget's window.
const (
	deposits    = rolling.First
	withdrawals = rolling.Second
)

// A Budget bounds retries and hedges to a part of the calls, over all policies
// that share it: when everything fails, load grows by that part and no more. In
// the window that ends with any of them there are at most Ratio × calls +
// MinPerSecond × Window of them, as exactly as [BudgetConfig.Window] says. Its
// shape is that of RetryBudget in Twitter's Finagle.
//
// Make one with [NewBudget]. All its methods are safe for concurrent use.
type Budget struct {
	ratio  float64
	floor  float64 // for a whole window
	base   time.Time
	window *rolling.Window

	mu sync.Mutex // makes looking and taking one step
}

// NewBudget returns a budget. The error names the field that is wrong.
func NewBudget(c BudgetConfig) (*Budget, error) {
	if c.Ratio == 0 {
		c.Ratio = defaultRatio
	}
	if c.MinPerSecond == 0 && !c.NoFloor {
		c.MinPerSecond = defaultMinPerSecond
	}
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	// Written so that NaN is refused too.
	if !(c.Ratio > 0 && c.Ratio <= maxRatio) {
		return nil, fmt.Errorf("retry: BudgetConfig.Ratio is %v, want above 0 and at most %d", c.Ratio, maxRatio)
	}
	if !(c.MinPerSecond >= 0 && c.MinPerSecond <= math.MaxFloat64) {
		return nil, fmt.Errorf("retry: BudgetConfig.MinPerSecond is %v, want a number of at least 0", c.MinPerSecond)
	}
	if c.NoFloor && c.MinPerSecond > 0 {
		return nil, fmt.Errorf("retry: BudgetConfig.MinPerSecond is %v, want none with NoFloor", c.MinPerSecond)
	}
	if c.Window < minWindow {
		return nil, fmt.Errorf("retry: BudgetConfig.Window is %v, want at least %v", c.Window, minWindow)
	}
	return &Budget{
		ratio:  c.Ratio,
		floor:  c.MinPerSecond * c.Window.Seconds(),
		base:   time.Now(),
		window: rolling.New(c.Window),
	}, nil
}

// Deposit counts one call. [Do] does it for the first attempt.
func (b *Budget) Deposit() { b.window.Add(time.Since(b.base), deposits) }

// Withdraw takes one retry and reports whether there was one. [Do] does it before
// the delay.
func (b *Budget) Withdraw() bool { return b.withdraw(true) }

// Balance returns how many retries could be taken now.
func (b *Budget) Balance() int {
	allowed, taken := b.ledger(time.Since(b.base), true)
	return int(min(max(allowed-taken, 0), math.MaxInt32))
}

// withdraw takes one, from what is allowed with the floor or without. A nil
// budget has no bound.
func (b *Budget) withdraw(floor bool) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Since(b.base)
	if allowed, taken := b.ledger(now, floor); taken+1 > allowed {
		return false
	}
	b.window.Add(now, withdrawals)
	return true
}

// ledger returns how many withdrawals the window allows, a whole number, and how
// many it has seen.
func (b *Budget) ledger(now time.Duration, floor bool) (allowed, taken float64) {
	counts := b.window.Sum(now)
	allowed = b.ratio * float64(counts[deposits])
	if floor {
		allowed += b.floor
	}
	// 0.29 × 100 is 28.999999999999996: the error of a product must not cost one.
	allowed = math.Floor(allowed * (1 + 1e-12))
	return allowed, float64(counts[withdrawals])
}
