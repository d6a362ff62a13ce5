package benchmarks_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A function is what everybody wraps: a call to another service.
type function = func(context.Context) (int, error)

// A caller is one library at work: it makes the call fn for the context ctx.
type caller func(ctx context.Context, fn function) (int, error)

// A contender makes a caller with a state of its own.
type contender struct {
	name string
	make func(tb testing.TB) caller
}

// bare is the floor of a call: the call.
var bare = contender{"floor", func(testing.TB) caller {
	return func(ctx context.Context, fn function) (int, error) { return fn(ctx) }
}}

var (
	// answer stands in a variable so that no compiler can look into it.
	answer function = func(context.Context) (int, error) { return 42, nil }

	errDown = errors.New("the other side is down")

	down function = func(context.Context) (int, error) { return 0, errDown }
)

// A work is what the callers of a benchmark do: calls that fail so many times
// before they succeed.
type work struct {
	failures int
	// prepare brings a caller into the state that is measured.
	prepare func(do caller)
	// fails says that the caller returns an error.
	fails bool
	// deadline gives the contexts of the calls one, which is far away.
	deadline bool
}

// A flaky function fails as often as it is told. It is made once for many calls,
// so that it costs no allocation in any of them.
type flaky struct{ left int }

func (f *flaky) call(ctx context.Context) (int, error) {
	if f.left > 0 {
		f.left--
		return 0, errDown
	}
	return answer(ctx)
}

// repeat makes n calls, in a context that it shares with nobody, as that of a
// request: contexts with a timeout would wait for each other at a common one.
func (w work) repeat(ctx context.Context, do caller, n int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if w.deadline {
		ctx, cancel = context.WithTimeout(ctx, time.Hour)
		defer cancel()
	}
	sum, wrong := 0, error(nil)
	f := &flaky{}
	fn := answer
	if w.failures > 0 {
		fn = f.call
	}
	for range n {
		f.left = w.failures
		got, err := do(ctx, fn)
		if sum += got; (err != nil) != w.fails {
			wrong = fmt.Errorf("not the expected result: %w", err)
		}
	}
	total.Add(int64(sum))
	return wrong
}

// total uses the results.
var total atomic.Int64

// goroutines make the calls of a parallel case.
const goroutines = 64

// compare has the contenders do the same work: in one goroutine, and in many
// that share the contender's state.
func compare(b *testing.B, w work, contenders ...contender) {
	b.Helper()
	b.Run("serial", func(b *testing.B) { w.run(b, 1, contenders) })
	b.Run("parallel", func(b *testing.B) { w.run(b, goroutines, contenders) })
}

// run shares b.N calls among so many goroutines in loops of their own: b.Loop and
// testing.PB.Next take as long as the fastest of what is measured.
func (w work) run(b *testing.B, goroutines int, contenders []contender) {
	b.Helper()
	for _, c := range contenders {
		b.Run(c.name, func(b *testing.B) {
			do, ctx := c.make(b), b.Context()
			if w.prepare != nil {
				w.prepare(do)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var group sync.WaitGroup
			for i := range goroutines {
				group.Go(func() {
					if err := w.repeat(ctx, do, (b.N+i)/goroutines); err != nil {
						b.Error(err)
					}
				})
			}
			group.Wait()
		})
	}
}
