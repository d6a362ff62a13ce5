package storetest

import (
	"context"

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

type openTx struct {
	*trial
	tx    Tx
	name  string
	ended bool
}

func (o *openTx) append(ctx context.Context, stream string, n int) []eventstore.Event {
	o.Helper()
	events := o.events(n)
	writes := []eventstore.Write{{Stream: stream, Expected: eventstore.Any, Events: copyEvents(events)}}
	results := make([]eventstore.Appended, 1)
	if err := o.tx.Append(ctx, writes, results); err != nil {
		o.fatal("events can be appended inside a transaction", "transaction %s, stream %q: %v", o.name, stream, err)
	}
	o.diary.add("transaction %s appends %s to %q -> %s", o.name, tellIDs(events), stream, tellResult(results[0]))
	return events
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
