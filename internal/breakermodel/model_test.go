package breakermodel_test

import (
	"fmt"
	"math"
	"time"

	"github.com/parlance-go/parlance/breaker"
)

// A model does what the documentation of package breaker says, for calls that
// come one after another. It shares no code with the package: it remembers each
// call, and counts anew whenever somebody asks.
//
// In two points the documentation leaves a choice: how long a lengthened time to
// stay open is, and whether a call that is almost as old as the window is still
// in it. There the model takes what the breaker did if that is allowed.
type model struct {
	rules breaker.Config
	now   time.Time

	mode       breaker.Mode
	state      breaker.State // Open also when the time for that is over
	generation uint64

	// of a state that is not closed
	since, until time.Time
	cause        error
	failedProbes int // since the breaker was closed
	// of a closed one
	row   int
	calls []ended
	// of a half-open one
	probes    []*permit
	succeeded int

	rejections int              // also those that are not counted
	totals     breaker.Snapshot // only its totals
}

// An ended call is one that said something.
type ended struct {
	at           time.Time
	failed, slow bool
}

// A permit is a call that the model has admitted.
type permit struct {
	kind       kind
	generation uint64
	started    time.Time
	expires    time.Time // of a probe
	reported   bool
}

// A kind says what a call means to the breaker.
type kind int

const (
	ordinary   kind = iota
	probe           // of a half-open breaker
	bystander       // admitted only because of Shadow
	unrecorded      // admitted by Disabled
)

// A change is a transition that the model expects.
type change struct {
	breaker.Transition
	windows []breaker.WindowCounts // any of them
	// opens: the time to stay open is at least shortest and at most longest.
	opens             bool
	shortest, longest time.Duration
}

func newModel(c breaker.Config, now time.Time) *model {
	m := &model{rules: withDefaults(c), now: now}
	m.begin(m.rules.Mode)
	return m
}

// withDefaults sets what the fields of Config default to.
func withDefaults(c breaker.Config) breaker.Config {
	hasRate := c.FailureRate != 0 || c.SlowCallRate != 0
	if c.ConsecutiveFailures == 0 {
		c.ConsecutiveFailures = 5
		if hasRate {
			c.ConsecutiveFailures = math.MaxInt
		}
	}
	if c.FailureRate == 0 {
		c.FailureRate = math.Inf(1)
	}
	if c.SlowCallRate == 0 {
		c.SlowCallRate = math.Inf(1)
	}
	if c.SlowCallThreshold == 0 {
		c.SlowCallThreshold = math.MaxInt64
	}
	if c.MinCalls == 0 {
		c.MinCalls = 20
		if c.WindowCalls != 0 && c.WindowCalls < 20 {
			c.MinCalls = c.WindowCalls
		}
	}
	if c.Window == 0 {
		c.Window = 10 * time.Second
	}
	c.CountCalls = c.CountCalls || hasRate
	if c.ResetTimeout == 0 {
		c.ResetTimeout = 60 * time.Second
	}
	if c.ResetMultiplier == 0 {
		c.ResetMultiplier = 2
	}
	if c.MaxResetTimeout == 0 {
		c.MaxResetTimeout = max(10*time.Minute, c.ResetTimeout)
	}
	if c.ResetJitter == 0 {
		c.ResetJitter = 0.2
	}
	if c.Probes == 0 {
		c.Probes = 1
	}
	if c.ConcurrentProbes == 0 {
		c.ConcurrentProbes = c.Probes
	}
	if c.ProbeTimeout == 0 {
		c.ProbeTimeout = c.ResetTimeout
	}
	return c
}

// begin is the state in which a mode begins.
func (m *model) begin(mode breaker.Mode) {
	m.mode = mode
	m.clear(breaker.Closed)
	m.since, m.until, m.cause, m.failedProbes = time.Time{}, time.Time{}, nil, 0
	if mode == breaker.ForcedOpen {
		m.state, m.since = breaker.Open, m.now
	}
}

func (m *model) clear(state breaker.State) {
	m.state, m.row, m.calls, m.probes, m.succeeded = state, 0, nil, nil, 0
}

func (m *model) setMode(mode breaker.Mode) []*change {
	if mode == m.mode {
		return nil
	}
	c := m.change(nil)
	m.begin(mode)
	return m.changed(c)
}

// change begins a transition: with the counts before it. Its cause is the error
// of the call that caused it.
func (m *model) change(cause error) *change {
	c := &change{}
	c.From, c.At, c.Cause = m.state, m.now, cause
	c.Snapshot, c.windows = m.snapshot()
	c.Snapshot.State = c.From // Open, until a call finds that the time for it is over
	return c
}

// changed ends a transition, in the state after it.
func (m *model) changed(c *change) []*change {
	m.generation++
	c.Name, c.To, c.Mode = m.rules.Name, m.state, m.mode
	return []*change{c}
}

// timeIsOver tells whether the breaker may probe, though it has not begun to.
func (m *model) timeIsOver() bool {
	return m.state == breaker.Open && m.mode != breaker.ForcedOpen && !m.now.Before(m.until)
}

func (m *model) stateNow() breaker.State {
	if m.timeIsOver() {
		return breaker.HalfOpen
	}
	return m.state
}

// acquire asks for admission. It returns nil if the call is rejected.
func (m *model) acquire() (*permit, []*change) {
	var changes []*change
	if m.timeIsOver() {
		c := m.change(nil)
		m.clear(breaker.HalfOpen)
		changes = m.changed(c)
	}
	p := &permit{generation: m.generation, started: m.now}
	switch {
	case m.mode == breaker.Disabled:
		p.kind = unrecorded
	case m.state == breaker.Closed:
		p.kind = ordinary
	case m.state == breaker.HalfOpen && m.room():
		p.kind, p.expires = probe, m.now.Add(m.rules.ProbeTimeout)
		m.probes = append(m.probes, p)
	default:
		m.rejections++
		if m.rules.CountCalls || m.rules.Hooks.Rejected != nil || m.mode == breaker.Shadow {
			m.totals.Rejected++
		}
		if m.mode != breaker.Shadow {
			return nil, changes
		}
		p.kind = bystander
	}
	return p, changes
}

// room tells whether a half-open breaker lets another probe through.
func (m *model) room() bool {
	return m.probing() < m.rules.ConcurrentProbes && m.probing()+m.succeeded < m.rules.Probes
}

func (m *model) probing() int {
	n := 0
	for _, p := range m.probes {
		if m.underWay(p) {
			n++
		}
	}
	return n
}

func (m *model) underWay(p *permit) bool { return !p.reported && m.now.Before(p.expires) }

// rejection is the error of calls that are rejected now, or nil.
func (m *model) rejection() *breaker.OpenError {
	switch {
	case m.state == breaker.Closed, m.mode == breaker.Shadow, m.timeIsOver(), m.state == breaker.HalfOpen && m.room():
		return nil
	}
	e := &breaker.OpenError{Name: m.rules.Name, State: m.state, Cause: m.cause, Since: m.since}
	if m.state == breaker.Open {
		e.Until = m.until
	}
	return e
}

// report ends a call. Err is its error, if it is known; tripped tells whether the
// breaker opened because of it, where that is not for the model to decide.
func (m *model) report(p *permit, o breaker.Outcome, err error, tripped bool) ([]*change, error) {
	if p.reported || p.kind == unrecorded {
		return nil, nil
	}
	underWay := m.underWay(p)
	p.reported = true
	call := ended{at: m.now, failed: o == breaker.Failure, slow: m.now.Sub(p.started) >= m.rules.SlowCallThreshold}
	m.total(o, call)
	switch {
	case p.generation != m.generation, p.kind == probe && !underWay:
		m.totals.Late++
		return nil, nil
	case p.kind == bystander, o == breaker.Neutral:
		return nil, nil
	case p.kind == probe && (call.failed || call.slow && m.rules.SlowCallRate <= 1):
		return m.open(err, m.failedProbes+1), nil
	case p.kind == probe:
		return m.probeSucceeded(), nil
	}
	if call.failed {
		m.row++
	} else {
		m.row = 0
	}
	m.calls = append(m.calls, call)
	may, must := m.tooMany()
	if must != may {
		must = tripped
	}
	if must {
		return m.open(err, 0), nil
	}
	if tripped {
		return nil, fmt.Errorf("it opened after %d failures in a row and one of %v in the window", m.row, m.windows())
	}
	return nil, nil
}

func (m *model) total(o breaker.Outcome, call ended) {
	switch {
	case o == breaker.Neutral:
		m.totals.Neutral++
		return
	case call.failed:
		m.totals.Failures++
	case m.rules.CountCalls:
		m.totals.Successes++
	}
	if m.rules.CountCalls && call.slow {
		m.totals.Slow++
	}
}

func (m *model) probeSucceeded() []*change {
	m.succeeded++
	if m.succeeded < m.rules.Probes {
		return nil
	}
	c := m.change(nil)
	m.begin(m.mode)
	return m.changed(c)
}

// tooMany tells whether a rule may trip the breaker now, and whether it must.
func (m *model) tooMany() (may, must bool) {
	if m.row >= m.rules.ConsecutiveFailures {
		return true, true
	}
	must = true
	for _, w := range m.windows() {
		calls := w.Successes + w.Failures
		part := func(n uint64) float64 { return float64(n) / float64(calls) }
		trips := calls >= uint64(m.rules.MinCalls) &&
			(part(w.Failures) >= m.rules.FailureRate || part(w.Slow) >= m.rules.SlowCallRate)
		may, must = may || trips, must && trips
	}
	return may, must
}

// windows returns what the window may hold: all calls that are younger than 9/10
// of it, and perhaps older ones, but none that is as old as all of it, and none
// without the ones that came after it.
func (m *model) windows() []breaker.WindowCounts {
	if !m.rules.CountCalls {
		return []breaker.WindowCounts{{}}
	}
	var possible []breaker.WindowCounts
	var counts breaker.WindowCounts
	for n := range m.calls {
		call := m.calls[len(m.calls)-1-n]
		if m.rules.WindowCalls > 0 {
			if n == m.rules.WindowCalls {
				break
			}
		} else {
			age := m.now.Sub(call.at)
			if age >= m.rules.Window {
				break
			}
			// Calls of the same moment leave together.
			if sameMoment := n > 0 && m.calls[len(m.calls)-n].at.Equal(call.at); age > m.rules.Window*9/10 && !sameMoment {
				possible = append(possible, counts)
			}
		}
		if call.failed {
			counts.Failures++
		} else {
			counts.Successes++
		}
		if call.slow {
			counts.Slow++
		}
	}
	return append(possible, counts)
}

// open opens the breaker because of a call with the error cause, after so many
// probes have failed.
func (m *model) open(cause error, failedProbes int) []*change {
	c := m.change(cause)
	c.opens = true
	c.shortest, c.longest = m.interval(cause, failedProbes)
	m.clear(breaker.Open)
	m.since, m.cause, m.failedProbes = m.now, cause, failedProbes
	return m.changed(c)
}

// interval returns how long the breaker stays open.
func (m *model) interval(cause error, failedProbes int) (shortest, longest time.Duration) {
	most := m.rules.MaxResetTimeout
	full := float64(m.rules.ResetTimeout)
	for range failedProbes {
		full = min(full*m.rules.ResetMultiplier, float64(most))
	}
	// A nanosecond more or less is rounding.
	longest = time.Duration(full) + 1
	shortest = longest
	if failedProbes > 0 {
		shortest = time.Duration(full*(1-m.rules.ResetJitter)) - 1
	}
	floor := m.rules.ResetTimeout
	if busy, ok := cause.(errBusy); ok { //nolint:errorlint // it is never wrapped here
		floor = max(floor, min(time.Duration(busy), most))
	}
	if failedProbes == 0 {
		return floor, floor
	}
	return max(shortest, floor), min(max(longest, floor), most)
}

// adopt takes the end of the time to be open from what the breaker has told.
func (m *model) adopt(c *change, until time.Time) error {
	if d := until.Sub(m.now); d < c.shortest || d > c.longest {
		return fmt.Errorf("it stays open for %s, want %s to %s", d, c.shortest, c.longest)
	}
	m.until, c.Until = until, until
	return nil
}

// snapshot returns the counts of now, without the window, and what that may hold.
func (m *model) snapshot() (breaker.Snapshot, []breaker.WindowCounts) {
	s := m.totals
	s.State, s.Mode, s.Generation = m.stateNow(), m.mode, m.generation
	s.ConsecutiveFailures, s.Probing = m.row, m.probing()
	if m.state == breaker.Open && m.mode != breaker.ForcedOpen {
		s.RetryAfter = max(m.until.Sub(m.now), 0)
	}
	return s, m.windows()
}
