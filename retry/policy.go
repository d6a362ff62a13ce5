package retry

import "context"

// A Policy says how calls are retried. It never changes, and one serves any
// number of goroutines. A nil *Policy is that of the zero [Config]. Make another
// with [New].
type Policy struct {
	// config has its defaults. That of a Policy that New did not make has not.
	config Config
	// attemptEnd and timeoutEnd are the causes with which the contexts end that
	// AttemptTimeout and Timeout bound.
	attemptEnd *TimeoutError
	timeoutEnd error
}

// New returns a policy. The error names the field that is wrong.
func New(c Config) (*Policy, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return newPolicy(c), nil
}

func newPolicy(c Config) *Policy {
	return &Policy{
		config:     c.withDefaults(),
		attemptEnd: &TimeoutError{After: c.AttemptTimeout},
		timeoutEnd: timeLimit(c.Timeout),
	}
}

// orDefault returns a policy that is made: a nil one, and one that New did not
// make, become that of the zero Config.
func (p *Policy) orDefault() *Policy {
	if p == nil || p.config.MaxAttempts == 0 {
		return newPolicy(Config{})
	}
	return p
}

// Config returns what the policy was made of, with its defaults: the start for
// a policy that differs in one point.
func (p *Policy) Config() Config { return p.orDefault().config }

// Do calls fn until it succeeds or the policy says to stop, and returns what the
// last attempt returned. Attempts follow each other in this goroutine, unless the
// policy hedges. A panic of fn, or the end of its goroutine, passes through.
//
// For a call without a result T is struct{}:
//
//	_, err := retry.Do(ctx, p, func(ctx context.Context) (struct{}, error) {
//		return struct{}{}, mails.Send(ctx, mail)
//	})
//
// The context of an attempt ends with the attempt when there is an AttemptTimeout
// or a Hedge, and with Do when there is a Timeout.
//
// The error is an [*Error], in which errors.Is and errors.As find the error of the
// last attempt, while its field Causes has those of all; or, if the first attempt
// failed in a way that is not retried, the error of fn without the marks of
// [Permanent] and [After]. If ctx has ended already, fn is not called. Do panics if
// fn is nil.
func Do[T any](ctx context.Context, p *Policy, fn func(context.Context) (T, error)) (T, error) {
	if fn == nil {
		panic("retry: Do was given a nil function")
	}
	if p == nil || p.config.Timeout == 0 && p.config.AttemptTimeout == 0 {
		return do(ctx, p, fn, nil)
	}
	ctx, cancel := p.withTimeout(ctx)
	defer cancel()
	if p.config.AttemptTimeout > 0 {
		fn = bounded(p, fn)
	}
	return do(ctx, p, fn, nil)
}

// bounded returns fn within AttemptTimeout.
func bounded[T any](p *Policy, fn func(context.Context) (T, error)) func(context.Context) (T, error) {
	return func(ctx context.Context) (T, error) {
		attempt, cancel := p.withAttemptTimeout(ctx)
		defer cancel()
		value, err := fn(attempt)
		return value, p.attemptError(ctx, attempt, err)
	}
}

// do is Do for a caller who bounds the time of the call and of its attempts by
// himself, with withTimeout, withAttemptTimeout and attemptError: a response of
// HTTP outlives the function that returns it, and so must its context.
//
// What an attempt returned together with an error is given to drop, if that is
// not nil, as soon as it is decided that another attempt follows, and before the
// delay: it does not hold a connection while we sleep. If the context ends during
// that delay, there is no value left to return.
func do[T any](ctx context.Context, p *Policy, fn func(context.Context) (T, error), drop func(T)) (T, error) {
	if ctx.Err() != nil {
		var none T
		return none, &Error{Reason: ended(ctx)}
	}
	if p != nil && p.config.Budget != nil {
		p.config.Budget.Deposit()
	}
	value, err := attempt(ctx, p, fn, drop)
	if err == nil {
		return value, nil
	}
	return again(ctx, p.orDefault(), fn, drop, value, err)
}

// again continues after the first attempt returned value and err.
func again[T any](
	ctx context.Context, p *Policy, fn func(context.Context) (T, error), drop func(T), value T, err error,
) (T, error) {
	c := call{policy: p}
	returned := false
	if drop != nil {
		defer func() { // RetryIf, BackOff and hooks may panic while we have the value
			if !returned {
				drop(value)
			}
		}()
	}
	for {
		delay, reason := c.next(ctx, err)
		if reason != nil {
			err = c.giveUp(reason)
			returned = true
			return value, err
		}
		if drop != nil {
			dropped := value
			value = *new(T)
			drop(dropped)
		}
		if hook := p.config.Hooks.Retry; hook != nil {
			hook(Retry{Attempt: c.attempts, Err: c.last, Delay: delay})
		}
		if !c.sleep(ctx, delay) {
			err = c.giveUp(ended(ctx))
			returned = true
			return value, err
		}
		if value, err = attempt(ctx, p, fn, drop); err == nil {
			returned = true
			return value, nil
		}
	}
}

// attempt runs fn once, or, if the policy hedges, until one of its runs answers.
func attempt[T any](ctx context.Context, p *Policy, fn func(context.Context) (T, error), drop func(T)) (T, error) {
	if p != nil && p.config.Hedge != nil {
		return hedged(ctx, p.config.Hedge, p.config.Budget, &p.config.Hooks, fn, drop)
	}
	return fn(ctx)
}
