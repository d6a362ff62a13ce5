package breakermodel_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
)

// TestManyAtOnce lets many goroutines call, report in any order, late, twice or
// never, panic and change the mode. What comes of that has no order, but laws.
func TestManyAtOnce(t *testing.T) {
	for name, config := range map[string]breaker.Config{
		"failures in a row": {ConsecutiveFailures: 2, CountCalls: true},
		"window of time":    {FailureRate: 0.5, MinCalls: 4},
		"window of calls":   {FailureRate: 0.5, WindowCalls: 8, MinCalls: 4},
		"slow calls":        {SlowCallRate: 0.5, MinCalls: 4},
		"several probes":    {ConsecutiveFailures: 1, CountCalls: true, Probes: 5, ConcurrentProbes: 2},
		"many probes":       {ConsecutiveFailures: 1, CountCalls: true, Probes: 64},
	} {
		t.Run(name, func(t *testing.T) {
			for round := range 40 {
				// In a bubble many things happen at the same moment, and the moments
				// are as far apart as one likes.
				synctest.Test(t, func(t *testing.T) {
					c := newChaos(t, config, uint64(round), time.Second)
					if round%2 == 1 {
						c.modes = []breaker.Mode{breaker.Automatic, breaker.Shadow, breaker.ForcedOpen}
					}
					c.run(16, 60)
				})
			}
			// And with a clock that goes on while something happens.
			c := newChaos(t, config, 0, 10*time.Microsecond)
			c.patience = 10_000 // any call may be slow, and any probe late
			c.run(8, 2000)
		})
	}
}

// A chaos is a breaker, those who use it, and what they have seen.
type chaos struct {
	t      *testing.T
	b      *breaker.Breaker
	config breaker.Config
	modes  []breaker.Mode // to change between; none to leave it
	seed   uint64
	unit   time.Duration // calls take up to four of them

	patience int // how many calls more than necessary it may take to recover

	outcomes [3]atomic.Uint64
	rejected atomic.Uint64

	inHook  atomic.Bool
	changes []breaker.Transition // by a hook that is called one at a time
	told    atomic.Uint64        // rejections
}

func newChaos(t *testing.T, config breaker.Config, seed uint64, unit time.Duration) *chaos {
	t.Helper()
	config.Window, config.SlowCallThreshold = 10*unit, 2*unit
	config.ResetTimeout, config.ResetMultiplier, config.ProbeTimeout = 3*unit, 1.2, 2*unit
	config.MaxResetTimeout = 10 * unit
	config.Probes = max(config.Probes, 1)
	c := &chaos{t: t, config: config, seed: seed, unit: unit}
	config.Hooks = breaker.Hooks{Transition: c.changed, Rejected: func(*breaker.OpenError) { c.told.Add(1) }}
	b, err := breaker.New(config)
	if err != nil {
		t.Fatal(err)
	}
	c.b = b
	return c
}

func (c *chaos) changed(change breaker.Transition) {
	if !c.inHook.CompareAndSwap(false, true) {
		c.t.Error("two transitions are told at once")
	}
	c.changes = append(c.changes, change)
	if rand.N(4) == 0 {
		c.b.Snapshot()
		runtime.Gosched()
	}
	c.inHook.Store(false)
}

// run lets users make calls, and then checks what came of them.
func (c *chaos) run(users, calls int) {
	c.t.Helper()
	var all sync.WaitGroup
	for user := range users {
		all.Go(func() {
			random := rand.New(rand.NewPCG(c.seed, uint64(user)))
			for range calls {
				c.act(random)
				c.look()
			}
		})
	}
	all.Wait()
	c.b.SetMode(breaker.Automatic)
	c.checkTotals()
	c.recovers()
	c.checkChanges()
}

// act does one thing that somebody may do with a breaker.
func (c *chaos) act(random *rand.Rand) {
	outcome := []breaker.Outcome{breaker.Neutral, breaker.Success, breaker.Success, breaker.Failure, breaker.Failure}[random.IntN(5)]
	took := c.unit * time.Duration(max(0, random.IntN(8)-3))
	switch random.IntN(8) {
	case 0:
		c.do(random, took)
	case 1:
		time.Sleep(took)
	case 2:
		if len(c.modes) > 0 && random.IntN(4) == 0 {
			c.b.SetMode(c.modes[random.IntN(len(c.modes))])
		}
	case 3: // reported by another goroutine, later, and twice
		permit, ok := c.acquire()
		if !ok {
			return
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			time.Sleep(took)
			permit.Done(outcome)
			permit.Done(breaker.Failure)
		}()
		c.look()
		<-done
		c.outcomes[outcome].Add(1)
	case 4: // one in some is never reported
		permit, ok := c.acquire()
		if !ok || random.IntN(4) == 0 {
			return
		}
		permit.Done(outcome)
		c.outcomes[outcome].Add(1)
	default:
		permit, ok := c.acquire()
		if !ok {
			return
		}
		time.Sleep(took)
		permit.Done(outcome)
		c.outcomes[outcome].Add(1)
	}
}

func (c *chaos) acquire() (breaker.Permit, bool) {
	permit, err := c.b.Acquire(context.Background())
	if err != nil {
		c.reject(err)
	}
	return permit, err == nil
}

func (c *chaos) reject(err error) {
	c.rejected.Add(1)
	if !errors.Is(err, breaker.ErrOpen) {
		c.t.Errorf("rejected with %v", err)
	}
}

// do lets Do call a function that returns, panics or ends its goroutine.
func (c *chaos) do(random *rand.Rand, took time.Duration) {
	ending := random.IntN(4)
	called := false
	var err error
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer func() { _ = recover() }()
		_, err = breaker.Do(context.Background(), c.b, func(context.Context) (int, error) {
			called = true
			time.Sleep(took)
			switch ending {
			case 0:
				panic("broken")
			case 1:
				runtime.Goexit()
			case 2:
				return 0, errDown
			}
			return 42, nil
		})
	}()
	<-over
	switch {
	case !called:
		c.reject(err)
	case ending == 3:
		c.outcomes[breaker.Success].Add(1)
	default:
		c.outcomes[breaker.Failure].Add(1)
	}
}

// look checks what holds at any moment.
func (c *chaos) look() {
	s := c.b.Snapshot()
	if most := cmp.Or(c.config.ConcurrentProbes, c.config.Probes); s.Probing > most {
		c.t.Errorf("%d probes are under way, more than %d", s.Probing, most)
	}
	if s.Late > s.Successes+s.Failures+s.Neutral {
		c.t.Errorf("more late calls than calls: %+v", s)
	}
	if calls := s.Window.Successes + s.Window.Failures; s.Window.Slow > calls {
		c.t.Errorf("more slow calls than calls: %+v", s)
	}
}

// checkTotals checks that each call was counted once.
func (c *chaos) checkTotals() {
	c.t.Helper()
	s := c.b.Snapshot()
	got := [3]uint64{breaker.Neutral: s.Neutral, breaker.Success: s.Successes, breaker.Failure: s.Failures}
	for o, n := range got {
		if want := c.outcomes[o].Load(); n != want {
			c.t.Errorf("%d calls with the outcome %s, want %d", n, breaker.Outcome(o), want)
		}
	}
	if s.Rejected != c.told.Load() {
		c.t.Errorf("%d calls were rejected, but the hook was told of %d", s.Rejected, c.told.Load())
	}
	// Shadow rejects in its mind.
	if want := c.rejected.Load(); s.Rejected < want || s.Rejected > want && len(c.modes) == 0 {
		c.t.Errorf("%d calls were rejected, want %d", s.Rejected, want)
	}
}

// recovers checks that nothing of what was done keeps the breaker from closing.
func (c *chaos) recovers() {
	c.t.Helper()
	time.Sleep(c.config.ProbeTimeout) // the leases of those who never reported end
	for range c.config.Probes + c.patience {
		if c.b.State() == breaker.Closed {
			return
		}
		time.Sleep(c.b.Snapshot().RetryAfter)
		permit, err := c.b.Acquire(context.Background())
		if err != nil && c.patience == 0 {
			c.t.Errorf("the other side is up again, and the breaker says %v", err)
			return
		}
		permit.Done(breaker.Success)
	}
	if s := c.b.Snapshot(); s.State != breaker.Closed {
		c.t.Errorf("the breaker has not closed: %+v", s)
	}
}

// checkChanges checks that each change was told once, in order, and was allowed.
func (c *chaos) checkChanges() {
	c.t.Helper()
	last := breaker.Transition{Mode: c.config.Mode, To: breaker.Closed}
	for n, change := range c.changes {
		if change.From != last.To {
			c.t.Errorf("change %d is from %s, but the one before was to %s", n, change.From, last.To)
		}
		if change.Snapshot.Generation != uint64(n) {
			c.t.Errorf("change %d is that of generation %d", n, change.Snapshot.Generation)
		}
		if change.At.Before(last.At) {
			c.t.Errorf("change %d is from %s, before the last one at %s", n, change.At, last.At)
		}
		if change.Mode == last.Mode {
			c.checkStep(last, change)
		}
		last = change
	}
	if s := c.b.Snapshot(); s.Generation != uint64(len(c.changes)) || s.State != last.To {
		c.t.Errorf("%d changes were told, the last one to %s, but it is %+v", len(c.changes), last.To, s)
	}
}

// checkStep checks a change that the rules have made.
func (c *chaos) checkStep(last, change breaker.Transition) {
	c.t.Helper()
	switch step := fmt.Sprintf("%s to %s", change.From, change.To); step {
	case "closed to open", "half-open to open":
		if !change.Until.After(change.At) {
			c.t.Errorf("open at %s, and only until %s", change.At, change.Until)
		}
	case "open to half-open":
		if change.At.Before(last.Until) {
			c.t.Errorf("half-open at %s, though open until %s", change.At, last.Until)
		}
	case "half-open to closed":
	default:
		c.t.Errorf("from %s", step)
	}
}
