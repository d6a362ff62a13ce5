package policy

import (
	"fmt"
	"math"
	"time"

	"github.com/parlance-go/parlance/breaker"
)

// Gradient finds a limit by the algorithm Gradient2 of Netflix' concurrency-limits:
// the limit falls when latency grows beyond its long-term average, and rises by a
// small queue otherwise. Its zero value has the defaults of that library.
//
// The limit is set anew after each round: when as many calls as the limit has
// places, and at least 10, have begun and ended. (Netflix' library has windows of a
// second for that.) With their mean latency
//
//	gradient = Tolerance × average / latency, but from 0.5 to 1
//	next     = limit × gradient + Queue
//	limit    = limit × (1 - Smoothing) + next × Smoothing
//
// It stays as it is while less than half of it is in use, and the average loses 5 %
// whenever it is more than twice the latency. In three points this is not what
// Netflix' class does:
//
//   - A failure counts as a call with a gradient of 0.5 and no Queue, whatever is in
//     use, and its latency does not count. Gradient2 does not look at failures, and
//     so grows during steady timeouts (its issue 137, and pull request 134).
//   - The average is taken over calls that did not have to wait for each other: those
//     of rounds in which less than half of the limit was in use, or in which it was
//     at MinLimit. Gradient2 takes all calls, so that a queue which stays becomes
//     the average, and the limit drifts to its maximum.
//   - Under constant load there are no such rounds. So each 30th round has a limit
//     of 0.75 / Tolerance of what it was, but of MinLimit at least, to see the
//     latency of the other side without a queue. Netflix' older GradientLimit does
//     so as well.
type Gradient struct {
	// InitialLimit is the limit to begin with, MinLimit the least one.
	// They default to 20, or to what the other one or MaxConcurrent leaves.
	InitialLimit, MinLimit int

	// Tolerance is how many times the average a latency may be before the limit
	// falls, at least 1.
	// Defaults to 1.5.
	Tolerance float64

	// Smoothing is the weight of each new limit, above 0 and at most 1.
	// Defaults to 0.2.
	Smoothing float64

	// LongWindow is over how many calls the average is taken: it is exponential,
	// and one call weighs 2 / (LongWindow + 1).
	// Defaults to 600.
	LongWindow int

	// Queue is by how much the limit may grow at a time, before Smoothing.
	// Defaults to 4.
	Queue int
}

const (
	minRound   = 10   // calls whose mean says something
	lookRounds = 30   // from one look at the latency without a queue to the next
	lookPart   = 0.75 // of limit / Tolerance: below 1, or what is seen would drift
	lowest     = 0.5  // gradient
)

// An estimate is a limit that learns. The bulkhead's lock guards it.
type estimate struct {
	Gradient
	maxLimit float64
	value    float64 // the limit, before it is rounded down
	average  float64 // latency, in nanoseconds; 0 before the first round
	looking  bool    // the limit is lower than value for this round
	blind    int     // rounds since the last one that the average may learn from

	// This round:
	begun     time.Duration
	latencies float64 // sum of those of the successes
	successes int
	failures  int
	peak      int64 // most calls under way
}

// newEstimate returns an estimate with the defaults of g filled in.
func newEstimate(g Gradient, maxConcurrent int) (*estimate, error) {
	if maxConcurrent == 0 {
		maxConcurrent = 1000
	}
	if err := g.check(maxConcurrent); err != nil {
		return nil, err
	}
	if g.InitialLimit == 0 {
		g.InitialLimit = max(min(20, maxConcurrent), g.MinLimit)
	}
	if g.MinLimit == 0 {
		g.MinLimit = min(20, g.InitialLimit)
	}
	if g.Tolerance == 0 {
		g.Tolerance = 1.5
	}
	if g.Smoothing == 0 {
		g.Smoothing = 0.2
	}
	if g.LongWindow == 0 {
		g.LongWindow = 600
	}
	if g.Queue == 0 {
		g.Queue = 4
	}
	// Beyond that a float64 does not count by one, and at last is no int64.
	most := min(float64(maxConcurrent), 1<<53)
	return &estimate{Gradient: g, maxLimit: most, value: min(float64(g.InitialLimit), most)}, nil
}

// check returns which field is wrong. Comparisons are written so that NaN is.
func (g *Gradient) check(maxConcurrent int) error {
	for _, f := range []struct {
		name  string
		value int
	}{
		{"InitialLimit", g.InitialLimit},
		{"MinLimit", g.MinLimit},
	} {
		if f.value < 0 || f.value > maxConcurrent {
			return fmt.Errorf("policy: Gradient.%s is %d, want 1 to MaxConcurrent, which is %d",
				f.name, f.value, maxConcurrent)
		}
	}
	switch {
	case g.InitialLimit != 0 && g.MinLimit > g.InitialLimit:
		return fmt.Errorf("policy: Gradient.MinLimit is %d, want at most InitialLimit, which is %d",
			g.MinLimit, g.InitialLimit)
	case g.Tolerance != 0 && !(g.Tolerance >= 1 && g.Tolerance <= math.MaxFloat64):
		return fmt.Errorf("policy: Gradient.Tolerance is %v, want 1 or more", g.Tolerance)
	case g.Smoothing != 0 && !(g.Smoothing > 0 && g.Smoothing <= 1):
		return fmt.Errorf("policy: Gradient.Smoothing is %v, want above 0 and at most 1", g.Smoothing)
	case g.LongWindow < 0:
		return fmt.Errorf("policy: Gradient.LongWindow is %d, want 1 or more", g.LongWindow)
	case g.Queue < 0:
		return fmt.Errorf("policy: Gradient.Queue is %d, want 1 or more", g.Queue)
	}
	return nil
}

// limit returns the limit of the present round.
func (e *estimate) limit() int64 {
	if e.looking {
		return max(int64(e.value*lookPart/e.Tolerance), int64(e.MinLimit))
	}
	return int64(e.value)
}

// learn counts a call that ended now, while inFlight were under way with it.
func (e *estimate) learn(begun, now time.Duration, inFlight int64, o breaker.Outcome) {
	e.peak = max(e.peak, inFlight)
	if begun < e.begun {
		return // under the limit of an earlier round
	}
	switch o {
	case breaker.Success:
		e.successes++
		e.latencies += float64(max(now-begun, 1))
	case breaker.Failure:
		e.failures++
	case breaker.Neutral:
		return
	}
	if int64(e.successes+e.failures) >= max(e.limit(), minRound) {
		e.endRound(now)
	}
}

// endRound sets the limit by what the round showed, and begins another.
func (e *estimate) endRound(now time.Duration) {
	// The latency of a limit that is lower, or not in use, says nothing about it,
	// and that of one which cannot fall does not matter to it.
	free := e.looking || float64(e.peak) < e.value/2
	e.blind++
	if free || e.value <= float64(e.MinLimit) {
		e.blind = 0
	}
	gradient := 1.0
	if e.successes > 0 {
		latency := e.latencies / float64(e.successes)
		e.adjustAverage(latency)
		if !free {
			gradient = min(max(e.Tolerance*e.average/latency, lowest), 1)
		}
	}
	e.adjustValue(gradient, free)
	e.looking = e.blind >= lookRounds
	e.begun, e.latencies, e.successes, e.failures, e.peak = now, 0, 0, 0, 0
}

// adjustAverage takes the latency of a round into the average, if its calls did not
// have to wait for each other.
func (e *estimate) adjustAverage(latency float64) {
	switch {
	case e.average == 0:
		e.average = latency
	case e.blind == 0:
		one := 2 / (float64(e.LongWindow) + 1)
		e.average += (latency - e.average) * (1 - math.Pow(1-one, float64(e.successes)))
	}
	if e.average > 2*latency {
		e.average *= 0.95
	}
}

// adjustValue applies the gradient of a round. The limit does not grow unless most
// of it is in use.
func (e *estimate) adjustValue(gradient float64, free bool) {
	failed := float64(e.failures) / float64(e.successes+e.failures)
	next := e.value * (gradient*(1-failed) + lowest*failed)
	if !free {
		next += float64(e.Queue) * (1 - failed)
	}
	next = e.value*(1-e.Smoothing) + next*e.Smoothing
	e.value = min(max(next, float64(e.MinLimit)), e.maxLimit)
}
