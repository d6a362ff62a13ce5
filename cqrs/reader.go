package cqrs

import (
	"context"

	"github.com/parlance-go/parlance/eventstore"
)

// reader reads events while those before are being applied.
type reader struct {
	batches chan eventstore.Batch // closed at the end
	err     error                 // why it ended; read after batches is closed
	*companion
}

func read(ctx context.Context, store *eventstore.Store, after eventstore.Checkpoint, filter eventstore.Filter) *reader {
	r := &reader{batches: make(chan eventstore.Batch)}
	r.companion = beside(ctx, func(ctx context.Context) {
		defer close(r.batches)
		for batch, err := range store.SubscribeBatches(ctx, after, filter) {
			if err != nil {
				r.err = err
				return
			}
			select {
			case r.batches <- batch:
			case <-ctx.Done():
				return
			}
		}
	})
	return r
}

// why returns the reason there are no more batches, never nil.
func (r *reader) why() error {
	if r.err == nil {
		return errEnded
	}
	return r.err
}

// companion is a goroutine that works for another one, which stops it before it
// returns.
type companion struct {
	cancel   context.CancelFunc
	done     chan struct{}
	panicked any
}

func beside(ctx context.Context, work func(ctx context.Context)) *companion {
	ctx, cancel := context.WithCancel(ctx)
	c := &companion{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		defer func() { c.panicked = recover() }()
		work(ctx)
	}()
	return c
}

// stop ends the goroutine and waits for it. A panic of a driver in there goes on
// here, where those who called Run can see it.
func (c *companion) stop() {
	c.cancel()
	<-c.done
	if c.panicked != nil {
		panic(c.panicked)
	}
}
