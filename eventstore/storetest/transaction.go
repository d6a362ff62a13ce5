package storetest

import (
	"context"
	"sync"

	"github.com/parlance-go/parlance/eventstore"
)

// begin opens a transaction and sees to its end.
func (t *trial) begin(ctx context.Context, name string) *openTx {
	t.Helper()
	tx, err := t.harness.Begin(ctx, t.driver)
	if err != nil {
		t.fatal("a transaction can be opened", "%v", err)
	}
	t.diary.add("transaction %s begins", name)
	open := &openTx{trial: t, tx: tx, name: name}
	t.Cleanup(func() {
		if !open.ended {
			_ = tx.Rollback(context.WithoutCancel(ctx))
		}
	})
	return open
}

// foreign opens a transaction in another database, and sees to its end.
func (t *trial) foreign() (release func()) {
	t.Helper()
	release = sync.OnceFunc(t.harness.Foreign(t, t.driver))
	t.Cleanup(release)
	t.diary.add("a transaction writes in another database of the server, and stays open")
	return release
}

type openTx struct {
	*trial
	tx    Tx
	name  string
	ended bool
}

// append appends new events to a stream, expecting nothing.
func (o *openTx) append(ctx context.Context, stream string, n int) []eventstore.Event {
	o.Helper()
	events := o.events(n)
	outcome := o.do(ctx, Append{{Stream: stream, Expected: eventstore.Any, Events: events}})
	if outcome.Err != nil {
		o.fatal("events can be appended inside a transaction", "%v", outcome.Err)
	}
	return events
}

// do appends in the transaction, and writes it into the diary.
func (o *openTx) do(ctx context.Context, op Append) Outcome {
	writes := make([]eventstore.Write, len(op))
	for i, w := range op {
		writes[i] = w
		writes[i].Tenant = o.store.Tenant()
		writes[i].Events = copyEvents(w.Events)
	}
	outcome := Outcome{Results: make([]eventstore.Appended, len(writes))}
	if outcome.Err = o.tx.Append(ctx, writes, outcome.Results); outcome.Err != nil {
		outcome.Results = nil
	}
	for _, w := range writes {
		scribble(w.Events)
	}
	o.diary.add("in transaction %s: %s -> %s", o.name, op, outcome)
	return outcome
}

func (o *openTx) end(ctx context.Context, commit bool) {
	o.Helper()
	if err := o.finish(ctx, commit); err != nil {
		o.fatal("a transaction can be ended", "transaction %s: %v", o.name, err)
	}
}

// finish is end for other goroutines.
func (o *openTx) finish(ctx context.Context, commit bool) error {
	o.ended = true
	o.diary.add("transaction %s ends; it commits: %t", o.name, commit)
	if commit {
		return o.tx.Commit(ctx)
	}
	return o.tx.Rollback(ctx)
}
