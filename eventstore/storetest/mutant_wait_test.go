package storetest_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

func waitMutants() []mutant {
	waiting := func(fault func(ctx context.Context, d *transactional, after eventstore.Checkpoint) error) func(*transactional) eventstore.Driver {
		return func(d *transactional) eventstore.Driver {
			return &spoilt{transactional: d, wait: func(ctx context.Context, after eventstore.Checkpoint) error { return fault(ctx, d, after) }}
		}
	}
	fromNow := waiting(func(ctx context.Context, d *transactional, _ eventstore.Checkpoint) error {
		linger()
		page, err := d.ReadAll(ctx, eventstore.AllRange{})
		if err != nil {
			return err
		}
		return d.Wait(ctx, page.Next)
	})
	return []mutant{
		{fault: "waits for the next append whatever the reader has", by: "an append before the wait ends it", words: "between its reading and its waiting", hangs: true, driver: fromNow},
		{fault: "loses a wake-up between reading and waiting", by: "an append during the wait ends it", words: "nobody was woken|Is it a deadlock?", hangs: true, driver: fromNow},
		{
			fault: "wakes one of those who wait", by: "an append wakes all who wait", words: "is woken by what is appended|Is it a deadlock?", hangs: true,
			driver: func(d *transactional) eventstore.Driver {
				var turn sync.Mutex
				return &spoilt{transactional: d, wait: func(ctx context.Context, after eventstore.Checkpoint) error {
					if !turn.TryLock() {
						<-ctx.Done()
						return context.Cause(ctx)
					}
					return d.Wait(ctx, after)
				}}
			},
		},
		{
			fault: "waits on when its context is done", by: "a cancelled wait returns at once", words: "it took",
			driver: waiting(func(ctx context.Context, d *transactional, after eventstore.Checkpoint) error {
				err := d.Wait(ctx, after)
				if err != nil {
					time.Sleep(2100 * time.Millisecond) // longer than the kit allows
				}
				return err
			}),
		},
		{
			fault: "returns the error of the context from a wait", by: "a cancelled wait returns at once", words: "returns its cause",
			driver: waiting(func(ctx context.Context, d *transactional, after eventstore.Checkpoint) error {
				if d.Wait(ctx, after) != nil {
					return ctx.Err()
				}
				return nil
			}),
		},
		{
			fault: "ends a subscription with the error of the context", by: "catch up and go on", words: "ends with the cause",
			driver: waiting(func(ctx context.Context, d *transactional, after eventstore.Checkpoint) error {
				if d.Wait(ctx, after) != nil {
					return ctx.Err()
				}
				return nil
			}),
		},
		{
			fault: "ends a subscription without a reason", by: "catch up and go on", words: "connection lost",
			driver: waiting(func(context.Context, *transactional, eventstore.Checkpoint) error {
				return errors.New("connection lost")
			}),
		},
	}
}
