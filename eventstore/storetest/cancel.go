package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

func cancelGroup() group {
	return group{"cancellation", []testCase{
		{name: "a context that is done changes nothing", check: cancelledBefore},
		{name: "an append that is cancelled is done wholly or not at all", check: cancelledDuring},
		{name: "an append that waits for a transaction can be cancelled", needs: needBegin, check: cancelledWaiting},
	}}
}

var errCancelled = errors.New("the kit has cancelled this")

func cancelledBefore(ctx context.Context, t *trial) {
	t.given(ctx, "cancel-1", 2)
	done, cancel := context.WithCancelCause(ctx)
	cancel(errCancelled)
	expired, stop := context.WithDeadlineCause(ctx, time.Now().Add(-time.Second), errCancelled)
	defer stop()
	doneBefore(done, t)
	doneBefore(expired, t)
	t.head(ctx, "cancel-1", eventstore.Head{Version: 2, First: 1})
	t.head(ctx, "cancel-2", eventstore.Head{First: 1})
}

// doneBefore calls everything with a context that is done.
func doneBefore(done context.Context, t *trial) {
	for name, call := range map[string]func() error{
		"Append": func() error {
			return t.do(done, Append{{Stream: "cancel-1", Expected: eventstore.Any, Events: t.events(1)}}).Err
		},
		"Append of checks": func() error { return t.do(done, Append{{Stream: "cancel-1", Expected: eventstore.Any}}).Err },
		"AppendAll": func() error {
			return t.do(done, Append{
				{Stream: "cancel-1", Expected: eventstore.Any, Events: t.events(1)},
				{Stream: "cancel-2", Expected: eventstore.Any, Events: t.events(1)},
			}).Err
		},
		"Read": func() error { _, err := collect(t.store.Read(done, "cancel-1", 1)); return err },
		"ReadAll": func() error {
			_, err := collect(t.store.ReadAll(done, eventstore.Checkpoint{}, eventstore.Filter{}))
			return err
		},
		"Now":      func() error { _, err := t.store.Now(done); return err },
		"Truncate": func() error { return t.do(done, Erase{Stream: "cancel-1", Kind: eventstore.Truncate, Before: 2}).Err },
		"Delete": func() error {
			return t.do(done, Erase{Stream: "cancel-1", Expected: eventstore.Any, Kind: eventstore.Delete}).Err
		},
		"Count": func() error {
			_, err := t.store.Count(done, eventstore.Checkpoint{}, eventstore.Filter{})
			if errors.Is(err, eventstore.ErrUnsupported) {
				return errCancelled
			}
			return err
		},
	} {
		t.wants(name+" returns the cause of a context that is done", call(), errCancelled)
	}
}

// cancelledDuring cancels appends at all moments. Afterwards the same append
// again makes sure of it.
func cancelledDuring(ctx context.Context, t *trial) {
	random := t.random(6)
	interrupted, done := 0, 0
	for n := range t.rounds(60) {
		t := t.chapter()
		op := Append{{Stream: fmt.Sprintf("cancel-%d", n), Expected: eventstore.NoStream, Events: t.events(3)}}
		if n%2 == 1 {
			op = append(op, eventstore.Write{Stream: fmt.Sprintf("beside-%d", n), Expected: eventstore.NoStream, Events: t.events(2)})
		}
		// From at once to a few milliseconds, as many short as long.
		delay := time.Microsecond << random.IntN(13)
		cancelling, cancel := context.WithCancelCause(ctx)
		timer := time.AfterFunc(delay, func() { cancel(errCancelled) })
		outcome := t.do(cancelling, op)
		timer.Stop()
		cancel(nil)
		t.diary.add("it was cancelled after %v", delay)
		if outcome.Err != nil {
			interrupted++
			t.wants("an append that is cancelled returns the cause", outcome.Err, errCancelled)
		}
		again := t.must(ctx, op)
		for i, w := range op {
			if again.Results[i].Duplicate {
				done++
			}
			if outcome.Err == nil && !again.Results[i].Duplicate {
				t.broken("an append that has returned without an error has been done", "the same again: %s", again)
			}
			if again.Results[i].Duplicate != again.Results[0].Duplicate {
				t.broken("an append is done wholly or not at all", "the same again: %s", again)
			}
			t.contents(ctx, w.Stream, 1, w.Events...)
		}
	}
	t.Logf("%d appends were interrupted; %d writes were there when they were repeated", interrupted, done)
}

// cancelledWaiting cancels an append that has to wait until a transaction ends.
func cancelledWaiting(ctx context.Context, t *trial) {
	const most = 2 * time.Second
	tx := t.begin(ctx, "A")
	held := tx.append(ctx, "cancel-1", 1)
	op := Append{{Stream: "cancel-1", Expected: eventstore.Any, Events: t.events(2)}}
	waiting, cancel := context.WithTimeoutCause(ctx, 50*time.Millisecond, errCancelled)
	defer cancel()
	start := time.Now()
	t.atOnce(1, func(int) {
		t.wants("an append waits for a transaction that has appended to its stream, and can be cancelled", t.do(waiting, op).Err, errCancelled)
	})
	if took := time.Since(start); took > most {
		t.broken(fmt.Sprintf("an append that is cancelled returns within %v", most), "it took %v", took)
	}
	tx.end(ctx, true)
	t.must(ctx, op)
	t.contents(ctx, "cancel-1", 1, append(held, op[0].Events...)...)
}
