package breakermodel_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/parlance-go/parlance/breaker"
)

// TestSequences lets rapid look for calls after which a breaker is not as the
// model, and shrink what it finds. Time passes only where it is told to.
func TestSequences(t *testing.T) {
	seen := sights{}
	rapid.Check(t, func(r *rapid.T) {
		rapid.SyncTest(r, func(r *rapid.T) {
			p := anyPair(r, seen)
			actions := map[string]func(*rapid.T){
				"acquire":  func(*rapid.T) { p.acquire() },
				"report 1": func(*rapid.T) { p.reportAny() },
				"report 2": func(*rapid.T) { p.reportAny() }, // or too few are
				"call 1":   func(*rapid.T) { p.call() },
				"call 2":   func(*rapid.T) { p.call() },
				"call 3":   func(*rapid.T) { p.call() },
				"call 4":   func(*rapid.T) { p.call() },
				"do":       func(*rapid.T) { p.do() },
				"leave":    func(*rapid.T) { p.leave() },
				"sleep":    func(*rapid.T) { p.sleep() },
				"wait":     func(*rapid.T) { p.waitUntilItProbes() },
				"":         func(*rapid.T) { p.compare() },
			}
			if p.modes {
				actions["set mode"] = func(*rapid.T) { p.setMode() }
			}
			r.Repeat(actions)
		})
	})
	seen.check(t)
}

// TestWindows does the same where a rate over a window of time decides, and most
// time is spent closed.
func TestWindows(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		rapid.SyncTest(r, func(r *rapid.T) {
			c, unit := anyConfig(r)
			c.ConsecutiveFailures, c.WindowCalls, c.ResetTimeout, c.MaxResetTimeout, c.Probes, c.ConcurrentProbes = 0, 0, unit, unit, 1, 1
			c.FailureRate = rapid.SampledFrom([]float64{0.1, 0.5}).Draw(r, "FailureRate")
			c.MinCalls = rapid.IntRange(1, 6).Draw(r, "MinCalls")
			p := newPair(r, c, unit, sights{})
			p.quick = true
			r.Repeat(map[string]func(*rapid.T){
				"call 1":  func(*rapid.T) { p.call() },
				"call 2":  func(*rapid.T) { p.call() },
				"sleep":   func(*rapid.T) { p.sleep() },
				"do":      func(*rapid.T) { p.do() },
				"recover": func(*rapid.T) { p.waitUntilItProbes(); p.call() },
				"":        func(*rapid.T) { p.compare() },
			})
		})
	})
}

// A pair is a breaker and its model, to which the same happens.
type pair struct {
	r     *rapid.T
	b     *breaker.Breaker
	m     *model
	unit  time.Duration
	modes bool // the mode changes
	quick bool // much happens in the time of a window
	whole bool // time passes in whole units, so that no age is in doubt
	calls []*call
	seen  sights

	// What the hooks were told since the last operation, and the error of the
	// present episode.
	told     []breaker.Transition
	rejected []*breaker.OpenError
	episode  *breaker.OpenError
	of       uint64 // its generation
}

// A call is one that was admitted.
type call struct {
	permit breaker.Permit
	model  *permit
	ctx    context.Context
	cancel context.CancelFunc
}

func anyPair(r *rapid.T, seen sights) *pair {
	c, unit := anyConfig(r)
	changes := rapid.Bool().Draw(r, "modes")
	if changes {
		c.Mode = rapid.SampledFrom(modes).Draw(r, "Mode")
	} else {
		c.Mode = rapid.SampledFrom([]breaker.Mode{breaker.Automatic, breaker.Automatic, breaker.Shadow}).Draw(r, "Mode")
	}
	p := newPair(r, c, unit, seen)
	p.modes = changes
	p.whole = rapid.Bool().Draw(r, "whole units")
	return p
}

func newPair(r *rapid.T, c breaker.Config, unit time.Duration, seen sights) *pair {
	p := &pair{r: r, unit: unit, seen: seen}
	c.Hooks = breaker.Hooks{
		Transition: func(t breaker.Transition) {
			p.b.Snapshot() // would hang if a lock were held
			p.told = append(p.told, t)
		},
		Rejected: func(e *breaker.OpenError) {
			p.b.Snapshot()
			p.rejected = append(p.rejected, e)
		},
	}
	if rapid.Bool().Draw(r, "no hook for rejections") {
		c.Hooks.Rejected = nil // rejections that nobody counts go another way
	}
	p.m = newModel(c, time.Now())
	b, err := breaker.New(c)
	if err != nil {
		r.Fatal(err)
	}
	p.b = b
	return p
}

// acquire asks for admission of a call with a context of any kind.
func (p *pair) acquire() *call { return p.acquireWith(p.anyContext()) }

func (p *pair) anyContext() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	p.r.Cleanup(cancel)
	switch rapid.SampledFrom([]string{"", "", "", "", "", "", "little time", "time", "cancelled", "too late"}).Draw(p.r, "context") {
	case "little time":
		ctx, cancel = context.WithTimeout(ctx, 9*time.Millisecond)
	case "time":
		ctx, cancel = context.WithTimeout(ctx, 2*p.unit)
	case "cancelled":
		cancel()
	case "too late":
		ctx, cancel = context.WithDeadline(ctx, time.Now())
	}
	p.r.Cleanup(cancel)
	return ctx, cancel
}

func (p *pair) acquireWith(ctx context.Context, cancel context.CancelFunc) *call {
	got, err := p.b.Acquire(ctx)
	if ctx.Err() != nil {
		p.seen.add("ended before the call")
		if !errors.Is(err, ctx.Err()) || errors.Is(err, breaker.ErrOpen) {
			p.r.Fatalf("the context has ended, and Acquire returns %v", err)
		}
		p.follow(nil, false)
		return nil
	}
	admitted, rejections := p.modelAcquires()
	if (err == nil) != (admitted != nil) {
		p.r.Fatalf("Acquire returns %v, but the model says that admitted is %t", err, admitted != nil)
	}
	if p.m.rules.Hooks.Rejected != nil && len(p.rejected) != rejections {
		p.r.Fatalf("the hook was told of %d rejections, want %d", len(p.rejected), rejections)
	}
	if err != nil {
		p.isRejection(err)
		return nil
	}
	c := &call{permit: got, model: admitted, ctx: ctx, cancel: cancel}
	p.calls = append(p.calls, c)
	return c
}

// modelAcquires returns also of how many rejections a hook is told.
func (p *pair) modelAcquires() (admitted *permit, rejections int) {
	before := p.m.rejections
	admitted, changes := p.m.acquire()
	p.follow(changes, false)
	if admitted != nil {
		p.seen.add("admitted " + []string{"ordinary", "a probe", "a bystander", "unrecorded"}[admitted.kind])
	} else {
		p.seen.add("rejected " + p.m.state.String())
	}
	return admitted, p.m.rejections - before
}

// isRejection checks the error of a call that was rejected.
func (p *pair) isRejection(err error) {
	got, ok := errors.AsType[*breaker.OpenError](err)
	want := p.m.rejection()
	if !ok || want == nil || *got != *want {
		p.r.Fatalf("rejected with %#v, want %#v", err, want)
	}
	if len(p.rejected) > 0 && p.rejected[0] != got {
		p.r.Fatalf("rejected with %#v, but the hook was told of %#v", got, p.rejected[0])
	}
	if p.episode != nil && p.of == p.m.generation && p.episode != got {
		p.r.Fatalf("a second error for the same episode: %#v", got)
	}
	p.episode, p.of = got, p.m.generation
	left := max(time.Until(want.Until), 0)
	if want.Until.IsZero() {
		left = 0
	}
	if got.RetryAfter() != left || got.Retryable() || !errors.Is(err, breaker.ErrOpen) {
		p.r.Fatalf("%#v says to come back in %s, want %s", got, got.RetryAfter(), left)
	}
}

// reportAny reports the outcome of any call there was: the last, an old one that
// comes late, or one that was reported before.
func (p *pair) reportAny() {
	if len(p.calls) == 0 {
		p.r.Skip("no call")
	}
	p.report(p.calls[rapid.IntRange(0, len(p.calls)-1).Draw(p.r, "call")])
}

func (p *pair) report(c *call) {
	if rapid.Bool().Draw(p.r, "with its error") {
		err := anyError(p.r, p.unit)
		want := p.outcome(c, err)
		again := c.model.reported
		if got := c.permit.DoneErr(c.ctx, err); got != want && !again {
			p.r.Fatalf("DoneErr(%v, %v) is %v, want %v", c.ctx.Err(), err, got, want)
		}
		p.modelReports(c.model, want, err)
		return
	}
	o := anyOutcome(p.r)
	c.permit.Done(o)
	if o == 77 {
		o = breaker.Failure // as any other value
	}
	p.modelReports(c.model, o, nil)
}

// outcome says what an error means by the rules of the package.
func (p *pair) outcome(c *call, err error) breaker.Outcome {
	if err == nil {
		return breaker.Success
	}
	switch {
	case errors.Is(c.ctx.Err(), context.Canceled):
		return breaker.Neutral
	case errors.Is(c.ctx.Err(), context.DeadlineExceeded):
		enough := 10 * time.Millisecond
		if p.m.rules.SlowCallRate <= 1 || p.m.rules.SlowCallThreshold < 1<<62 {
			enough = p.m.rules.SlowCallThreshold
		}
		deadline, _ := c.ctx.Deadline()
		if deadline.Sub(c.model.started) < enough {
			p.seen.add("had too little time")
			return breaker.Neutral
		}
		p.seen.add("ran out of time")
		return breaker.Failure
	case p.m.rules.Classify != nil:
		return classify(err)
	}
	return breaker.Failure
}

func (p *pair) modelReports(c *permit, o breaker.Outcome, err error) {
	opened := slices.ContainsFunc(p.told, func(t breaker.Transition) bool { return t.To == breaker.Open })
	again, late := c.reported, p.m.totals.Late
	changes, wrong := p.m.report(c, o, err, opened)
	if wrong != nil {
		p.r.Fatal(wrong)
	}
	switch {
	case again:
		p.seen.add("reported twice")
	case p.m.totals.Late > late:
		p.seen.add(fmt.Sprintf("late, generation behind: %t", c.generation != p.m.generation))
	}
	p.follow(changes, true)
}

// call is a call that ends at once.
func (p *pair) call() {
	if c := p.acquireWith(context.Background(), func() {}); c != nil {
		p.report(c)
	}
}

// do lets Do call a function that takes some time, and ends in any way.
func (p *pair) do() {
	ending := rapid.SampledFrom([]string{"return", "panic", "goexit"}).Draw(p.r, "ending")
	err := anyError(p.r, p.unit)
	took := p.anyTime()
	ctx := context.Background()
	if rapid.Bool().Draw(p.r, "with a context") {
		ctx, _ = p.anyContext()
	}
	dead := ctx.Err()
	returned, called := false, false
	var got error
	var recovered any
	var c *permit
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer func() { recovered = recover() }()
		_, got = breaker.Do(ctx, p.b, func(context.Context) (int, error) {
			called = true
			c, _ = p.modelAcquires()
			p.rejected = nil // only Shadow tells of one
			if c == nil {
				panic("called, though the model rejects it")
			}
			p.pass(took)
			switch ending {
			case "panic":
				panic(errDown)
			case "goexit":
				runtime.Goexit()
			}
			return 42, err
		})
		returned = true
	}()
	<-over
	switch {
	case dead != nil:
		if called || !errors.Is(got, dead) || errors.Is(got, breaker.ErrOpen) {
			p.r.Fatalf("the context has ended, and Do returns %v, called: %t", got, called)
		}
		p.follow(nil, false)
	case !called:
		if c, _ := p.modelAcquires(); c != nil {
			p.r.Fatalf("not called but %v, and the model admits it", got)
		}
		p.isRejection(got)
	case c == nil:
		p.r.Fatal(recovered)
	case ending == "return":
		if !returned || !errors.Is(got, err) {
			p.r.Fatalf("Do returns %v, want %v", got, err)
		}
		p.modelReports(c, p.outcome(&call{ctx: ctx, model: c}, err), err)
	default:
		want := map[string]any{"panic": errDown}[ending]
		if returned || recovered != want {
			p.r.Fatalf("Do ends with the panic %v, want %v", recovered, want)
		}
		p.modelReports(c, breaker.Failure, nil)
	}
}

// leave cancels the context of a call.
func (p *pair) leave() {
	if len(p.calls) == 0 {
		p.r.Skip("no call")
	}
	p.calls[rapid.IntRange(0, len(p.calls)-1).Draw(p.r, "call")].cancel()
}

func (p *pair) setMode() {
	mode := rapid.SampledFrom(modes).Draw(p.r, "mode")
	p.b.SetMode(mode)
	p.follow(p.m.setMode(mode), false)
}

func (p *pair) anyTime() time.Duration {
	switch {
	case p.quick:
		return time.Duration(rapid.IntRange(0, 5).Draw(p.r, "units")) * p.unit
	case p.whole:
		return time.Duration(rapid.SampledFrom([]int{0, 1, 2, 5, 9, 10, 30}).Draw(p.r, "units")) * p.unit
	}
	return rapid.SampledFrom([]time.Duration{
		1, 5 * time.Millisecond, p.unit / 3, p.unit - 1, p.unit, p.unit + 1, 3*p.unit + 7, 9*p.unit + p.unit/2, 10*p.unit - 1, 25 * p.unit,
	}).Draw(p.r, "time")
}

func (p *pair) sleep() {
	p.pass(p.anyTime())
}

func (p *pair) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait() // for contexts that end at this moment
	p.m.now = time.Now()
}

// waitUntilItProbes waits for the very end of the time to stay open, or, unless
// time passes in whole units, for the moment before.
func (p *pair) waitUntilItProbes() {
	left := p.m.until.Sub(p.m.now)
	if p.m.state != breaker.Open || left <= 1 || left%p.unit > 0 && p.whole {
		p.r.Skip("it is not open")
	}
	if !p.whole && rapid.Bool().Draw(p.r, "the moment before") {
		left--
	}
	p.pass(left)
}

// follow compares what the hook was told with what the model expects.
func (p *pair) follow(changes []*change, byCall bool) {
	told := p.told
	p.told = nil
	if len(told) != len(changes) {
		p.r.Fatalf("the hook was told of %+v, and the model expects %d changes", told, len(changes))
	}
	for i, want := range changes {
		got := told[i]
		if want.opens {
			if err := p.m.adopt(want, got.Until); err != nil {
				p.r.Fatal(err)
			}
		}
		if !slices.Contains(want.windows, got.Snapshot.Window) {
			p.r.Fatalf("the transition says that the window holds %+v, want one of %+v", got.Snapshot.Window, want.windows)
		}
		want.Snapshot.Window = got.Snapshot.Window
		if got != want.Transition {
			p.r.Fatalf("the hook was told of\n%+v, want\n%+v", got, want.Transition)
		}
		p.seen.add(fmt.Sprintf("from %s to %s, by a call: %t", got.From, got.To, byCall))
	}
}

// compare compares all that can be seen.
func (p *pair) compare() {
	p.rejected = nil
	want, windows := p.m.snapshot()
	got := p.b.Snapshot()
	if !slices.Contains(windows, got.Window) {
		p.r.Fatalf("the window holds %+v, want one of %+v", got.Window, windows)
	}
	if len(windows) > 1 {
		p.seen.add("an age in doubt")
		if p.whole {
			p.r.Fatalf("the model does not know which of %+v the window holds, though time passes in whole units", windows)
		}
	}
	want.Window = got.Window
	if got != want {
		p.r.Fatalf("the snapshot is\n%+v, want\n%+v", got, want)
	}
	if p.b.State() != want.State || p.b.Mode() != want.Mode {
		p.r.Fatalf("State is %s and Mode is %s, want %s and %s", p.b.State(), p.b.Mode(), want.State, want.Mode)
	}
	if err := p.b.Err(); err != nil {
		p.isRejection(err)
	} else if rejection := p.m.rejection(); rejection != nil {
		p.r.Fatalf("Err is nil, want %v", rejection)
	}
	if after := p.b.Snapshot(); after != got || len(p.told)+len(p.rejected) > 0 {
		p.r.Fatalf("looking has changed it from\n%+v to\n%+v", got, after)
	}
}
