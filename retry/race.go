package retry

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"time"
)

// hedged runs fn, and again whenever h says so, and returns the first success. It
// does not wait for the others: their contexts end, and drop, if not nil, is given
// their values when they come. If all fail it returns the value and the error of
// one of them. drop is called in other goroutines.
func hedged[T any](ctx context.Context, h *Hedge, budget *Budget, hooks *Hooks, fn func(context.Context) (T, error), drop func(T)) (T, error) {
	r := &race[T]{fn: fn, drop: drop, results: make(chan result[T], 1+h.most)}
	defer r.end()
	begin := time.Now()
	r.start(ctx)
	timer := time.NewTimer(h.Delay())
	defer timer.Stop()
	for {
		select {
		case got := <-r.results:
			if got.end == returned && got.err != nil {
				r.fail(got)
				if r.running > 0 {
					continue
				}
				return r.takeBest(), r.err()
			}
			if got.succeeded() && h.latencies != nil && !r.firstFailed {
				h.latencies.record(time.Since(begin))
			}
			return got.pass()
		case <-timer.C:
			// After any of these there is no other timer, and so no other hedge.
			if r.started > h.most || ctx.Err() != nil || !budget.withdraw(false) {
				continue
			}
			if hooks.Hedge != nil {
				hooks.Hedge(r.started)
			}
			r.start(ctx)
			timer.Reset(h.Delay())
		case <-ctx.Done():
			if got, ok := r.stop(); ok {
				return got.pass() // it came at the same time
			}
			r.errs = append(r.errs, ended(ctx))
			var none T
			return none, r.err()
		}
	}
}

// race is the attempts of one call of hedged. Unless noted otherwise, its fields
// are those of the calling goroutine.
type race[T any] struct {
	fn      func(context.Context) (T, error)
	drop    func(T)
	results chan result[T] // has room for all, so that nobody waits to be heard
	cancels []context.CancelFunc

	started, running int
	firstFailed      bool
	best             *result[T] // of the failures
	errs             []error    // of the failures, that of the best first

	mu   sync.Mutex
	over bool // guarded by mu: what comes now is dropped
}

// result is how an attempt ended.
type result[T any] struct {
	number   int // of the attempt, from 1
	value    T
	err      error
	end      ending
	panicked any
}

type ending uint8

const (
	exited ending = iota // by runtime.Goexit
	panicked
	returned
)

func (o *result[T]) succeeded() bool { return o.end == returned && o.err == nil }

// pass does to the caller what the attempt did.
func (o *result[T]) pass() (T, error) {
	switch o.end {
	case exited:
		runtime.Goexit()
	case panicked:
		panic(o.panicked)
	case returned:
	}
	return o.value, o.err
}

func (r *race[T]) start(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	r.cancels = append(r.cancels, cancel)
	r.started++
	r.running++
	go r.attempt(ctx, cancel, r.started)
}

func (r *race[T]) attempt(ctx context.Context, cancel context.CancelFunc, number int) {
	got := result[T]{number: number}
	defer func() {
		cancel()
		if got.end != returned {
			if got.panicked = recover(); got.panicked != nil {
				got.end = panicked
			}
		}
		r.arrive(got)
	}()
	got.value, got.err = r.fn(ctx)
	got.end = returned
}

// arrive hands a result to the caller, or drops it if the race is over. All but a
// failure ends the race.
func (r *race[T]) arrive(got result[T]) {
	r.mu.Lock()
	late := r.over
	if !late {
		r.results <- got
		r.over = got.end != returned || got.err == nil
	}
	r.mu.Unlock()
	if late && r.drop != nil && got.end == returned {
		r.drop(got.value)
	}
}

// fail takes note of a failure.
func (r *race[T]) fail(got result[T]) {
	r.running--
	r.firstFailed = r.firstFailed || got.number == 1
	if r.best != nil && errors.Is(got.err, context.Canceled) {
		r.errs = append(r.errs, got.err)
		r.discard(got)
		return
	}
	if r.best != nil {
		r.discard(*r.best)
	}
	r.errs = append([]error{got.err}, r.errs...)
	r.best = &got
}

func (r *race[T]) takeBest() T {
	value := r.best.value
	r.best = nil
	return value
}

// err returns the failures as one error.
func (r *race[T]) err() error {
	if len(r.errs) == 1 {
		return r.errs[0]
	}
	return &hedgeError{r.errs}
}

// stop ends the race. It returns what has decided it and was not yet received.
func (r *race[T]) stop() (got result[T], ok bool) {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	for {
		select {
		case got = <-r.results:
			if got.end != returned || got.err == nil {
				return got, true
			}
			r.fail(got)
		default:
			return got, false
		}
	}
}

// end cancels and drops whatever is left, however hedged ends.
func (r *race[T]) end() {
	for _, cancel := range r.cancels {
		cancel()
	}
	if got, ok := r.stop(); ok {
		r.discard(got)
	}
	if r.best != nil {
		r.discard(*r.best)
	}
}

// discard drops a value in a goroutine of its own, since the caller has better to
// do.
func (r *race[T]) discard(got result[T]) {
	if r.drop != nil && got.end == returned {
		go r.drop(got.value)
	}
}

// hedgeError is the errors of several attempts, of which the first is the one to
// judge by.
type hedgeError struct {
	errs []error
}

func (e *hedgeError) Error() string {
	var text strings.Builder
	text.WriteString(e.errs[0].Error())
	for _, err := range e.errs[1:] {
		text.WriteString("; hedged: ")
		text.WriteString(err.Error())
	}
	return text.String()
}

// Unwrap leaves out the cancellations, unless there is nothing else: they say
// nothing of the other side, and would make the whole error one.
func (e *hedgeError) Unwrap() []error {
	errs := e.errs[:1:1]
	for _, err := range e.errs[1:] {
		if !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
		}
	}
	return errs
}
