package retry

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// maxCauses is how many errors an [Error] keeps: the first, and the last ones.
const maxCauses = 16

// errDeadline is the reason when the next attempt would begin after the deadline.
var errDeadline = fmt.Errorf("%w: %w", ErrDelay, context.DeadlineExceeded)

// call is what one call of Do has tried so far. It is made when the first attempt
// has failed.
type call struct {
	policy   *Policy
	attempts int
	last     error // without marks
	// causes are the errors so far, without those between the first and the last
	// ones. They stand in the call, since most calls that fail once succeed then.
	causes [maxCauses]error
	// asked is what the last error asks to wait, 0 if nothing.
	asked time.Duration
	// drawn is the delay before, without what the other side asked for.
	drawn  time.Duration
	source BackOff
	timer  *time.Timer // of the delay before
}

// next takes the error of an attempt and returns the delay before another, or
// the reason why none follows.
func (c *call) next(ctx context.Context, err error) (delay time.Duration, reason error) {
	c.add(err)
	if ctx.Err() != nil {
		return 0, ended(ctx)
	}
	config := &c.policy.config
	worth, asked := judge(err, config.RetryIf)
	c.asked = max(asked, 0)
	if !worth {
		return 0, ErrNotRetried
	}
	if c.attempts >= config.MaxAttempts {
		return 0, ErrAttempts
	}
	if asked > config.MaxRetryAfter {
		return 0, ErrDelay
	}
	delay, ok := c.delay()
	if !ok {
		return 0, ErrAttempts
	}
	if deadline, ok := ctx.Deadline(); ok {
		// An attempt that begins at the deadline is none.
		if left := time.Until(deadline) - delay; left <= 0 || left < config.MinAttempt {
			return 0, errDeadline
		}
	}
	if config.Ready != nil {
		if err := config.Ready(ctx, delay); err != nil {
			return 0, err
		}
	}
	// Last, so that no retry is taken that is not made; and before the delay, so
	// that a refusal does not come after it.
	if config.Budget != nil && !config.Budget.Withdraw() {
		return 0, ErrBudget
	}
	return delay, nil
}

// add counts an attempt that failed.
func (c *call) add(err error) {
	c.attempts++
	c.last = unmarked(err)
	if c.attempts > maxCauses {
		copy(c.causes[1:], c.causes[2:])
	}
	c.causes[min(c.attempts, maxCauses)-1] = c.last
}

// delay returns how long to wait before the next attempt. It is not ok if the
// source of delays has stopped.
func (c *call) delay() (delay time.Duration, ok bool) {
	config := &c.policy.config
	if config.BackOff == nil {
		c.drawn = config.draw(c.attempts, c.drawn)
	} else {
		if c.source == nil {
			c.source = config.BackOff()
			if c.source == nil {
				panic("retry: Config.BackOff returned nil")
			}
			c.source.Reset()
		}
		if c.drawn = c.source.NextBackOff(); c.drawn < 0 {
			return 0, false
		}
	}
	if c.asked == 0 {
		return c.drawn, true
	}
	// Never earlier than asked, and not all at the same moment.
	return max(c.drawn, plus(c.asked, below(config.BaseDelay))), true
}

// giveUp returns the error of a call that has failed for good.
func (c *call) giveUp(reason error) error {
	causes := slices.Clone(c.causes[:min(c.attempts, maxCauses)])
	err := &Error{Attempts: c.attempts, Last: c.last, Causes: causes, Reason: reason, Delay: c.asked}
	if hook := c.policy.config.Hooks.GiveUp; hook != nil {
		hook(err)
	}
	// The very reason: the cause of a context may be the Error of another call.
	if c.attempts == 1 && reason == ErrNotRetried { //nolint:errorlint // see above
		return c.last
	}
	return err
}

// sleep waits for d and reports whether ctx lives.
func (c *call) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	if c.timer == nil {
		c.timer = time.NewTimer(d)
	} else {
		c.timer.Reset(d)
	}
	select {
	case <-c.timer.C:
	case <-ctx.Done():
		c.timer.Stop()
	}
	return ctx.Err() == nil
}
