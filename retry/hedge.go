package retry

import (
	"fmt"
	"time"
)

// HedgeConfig says when an attempt is started a second time.
type HedgeConfig struct {
	// Delay is how long an attempt runs alone.
	// Defaults to 100 ms, and with a Quantile to the delay until there are enough
	// samples.
	Delay time.Duration

	// Quantile makes the delay the latency that so large a part of the latest
	// successful attempts stayed below, above 0 and below 1, such as 0.95. It
	// replaces Delay from 50 samples on, looks at the latest 500 to 1,000, and is at
	// most 1/16 too long.
	//
	// A sample is the latency of a first attempt. If a hedge overtakes it, that is
	// the time it had taken by then: without these samples the slow attempts would
	// vanish, and the delay would fall with every hedge.
	// Defaults to a fixed delay.
	Quantile float64

	// MaxHedges is how many more are started, one Delay after the other, from 1
	// to 10.
	// Defaults to 1.
	MaxHedges int
}

const (
	defaultHedgeDelay = 100 * time.Millisecond
	maxHedges         = 10
)

// A Hedge starts an attempt again when it takes long, and takes whichever answers
// first. The others are cancelled. If one fails, the others go on; the attempt has
// failed when all have. Hedges are taken from the policy's [Budget], without its
// floor: with no traffic there is no need for them.
//
// An attempt that fails while it is alone has failed at once: to try again is the
// policy's business. When the context ends, the attempts are not waited for. When
// several have failed, the error is that of the last one that was not cancelled,
// and errors.Is and errors.As find the others in it.
//
// The function must be safe to run twice at once, and runs in goroutines of its
// own. Its panic, or the end of its goroutine, passes to the caller of [Do], with
// the same value but without the stack. Of an attempt that comes too late, it is
// dropped like its result.
//
// Make one with [NewHedge]. It learns latencies, so each side that is called needs
// its own. It is safe for concurrent use.
type Hedge struct {
	fixed     time.Duration
	most      int        // hedges of one attempt
	latencies *latencies // nil: the delay is fixed
}

// NewHedge returns a hedge. The error names the field that is wrong.
func NewHedge(c HedgeConfig) (*Hedge, error) {
	if c.Delay == 0 {
		c.Delay = defaultHedgeDelay
	}
	if c.MaxHedges == 0 {
		c.MaxHedges = 1
	}
	if c.Delay < 0 {
		return nil, fmt.Errorf("retry: HedgeConfig.Delay is %v, want none or more than 0", c.Delay)
	}
	// Written so that NaN is refused too.
	if !(c.Quantile >= 0 && c.Quantile < 1) {
		return nil, fmt.Errorf("retry: HedgeConfig.Quantile is %v, want above 0 and below 1", c.Quantile)
	}
	if c.MaxHedges < 1 || c.MaxHedges > maxHedges {
		return nil, fmt.Errorf("retry: HedgeConfig.MaxHedges is %d, want 1 to %d", c.MaxHedges, maxHedges)
	}
	h := &Hedge{fixed: c.Delay, most: c.MaxHedges}
	if c.Quantile > 0 {
		h.latencies = &latencies{quantile: c.Quantile}
	}
	return h, nil
}

// Delay returns how long an attempt would run alone now.
func (h *Hedge) Delay() time.Duration {
	if h.latencies != nil {
		if learned := h.latencies.delay(); learned > 0 {
			return learned
		}
	}
	return h.fixed
}
