package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/parlance-go/parlance/eventstore"
)

func racingGroup() group {
	return group{"concurrent appends to one stream", []testCase{
		{name: "64 writers that expect nothing all succeed", check: anyWriters},
		{name: "of writers that expect one version one wins", check: exactWriters},
		{name: "of writers that expect no stream one wins", check: creators},
		{name: "writers that expect a stream all succeed", check: existsWriters},
		{name: "writers of all kinds leave a linearizable history", check: mixedWriters},
	}}
}

func anyWriters(ctx context.Context, t *trial) {
	const writers = 64
	appends := t.rounds(5)
	contest := Contest{
		Stream: "any-1", Clients: writers, Appends: appends,
		Next: func(_, n int, _ int64) (eventstore.Expected, int) { return eventstore.Any, 1 + n%3 },
	}
	calls := t.contest(ctx, contest)
	for _, call := range calls {
		if call.Outcome.Err != nil {
			t.broken("an append that expects nothing never conflicts", "%s", call)
			return
		}
	}
}

func existsWriters(ctx context.Context, t *trial) {
	t.given(ctx, "exists-1", 1)
	calls := t.contest(ctx, Contest{
		Stream: "exists-1", Clients: 16, Appends: t.rounds(5),
		Next: func(int, int, int64) (eventstore.Expected, int) { return eventstore.StreamExists, 1 },
	})
	for _, call := range calls {
		if call.Outcome.Err != nil {
			t.broken("an append that expects a stream succeeds on one that exists", "%s", call)
			return
		}
	}
}

func exactWriters(ctx context.Context, t *trial) {
	const writers = 8
	stream := "exact-1"
	t.given(ctx, stream, 1)
	for round := range t.rounds(25) {
		calls := t.contest(ctx, Contest{
			Stream: stream, Clients: writers, Appends: 1,
			Next: func(int, int, int64) (eventstore.Expected, int) { return eventstore.Exact(int64(round) + 1), 1 },
		})
		if !t.oneWinner(calls, int64(round)+2) {
			return
		}
	}
}

func creators(ctx context.Context, t *trial) {
	for round := range t.rounds(15) {
		t := t.chapter()
		calls := t.contest(ctx, Contest{
			Stream: fmt.Sprintf("new-%d", round), Clients: 8, Appends: 1,
			Next: func(int, int, int64) (eventstore.Expected, int) { return eventstore.NoStream, 1 },
		})
		if !t.oneWinner(calls, 1) {
			return
		}
	}
}

// oneWinner checks that one of the calls succeeded, with the version, and that
// the others conflicted with it.
func (t *trial) oneWinner(calls History, version int64) bool {
	t.Helper()
	winners := 0
	for _, call := range calls {
		if call.Outcome.Err == nil {
			winners++
		}
	}
	if winners != 1 {
		t.broken("of writers that expect the same version, exactly one wins", "%d of %d won:\n%s", winners, len(calls), calls)
		return false
	}
	for _, call := range calls {
		conflict, ok := errors.AsType[*eventstore.ConflictError](call.Outcome.Err)
		switch {
		case call.Outcome.Err == nil && call.Outcome.Results[0].Version != version:
			t.broken(fmt.Sprintf("the winner's event gets version %d", version), "%s", call)
			return false
		case call.Outcome.Err != nil && (!ok || conflict.Actual != version):
			t.broken(fmt.Sprintf("the losers get a ConflictError that tells that the stream is at version %d", version), "%s", call)
			return false
		}
	}
	return true
}

func mixedWriters(ctx context.Context, t *trial) {
	random := t.random(1)
	var mu sync.Mutex
	choose := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n)
	}
	calls := t.contest(ctx, Contest{
		Stream: "mixed-1", Clients: 12, Appends: t.rounds(20),
		Next: func(_, _ int, seen int64) (eventstore.Expected, int) {
			switch choose(8) {
			case 0:
				return eventstore.Any, choose(3) // with 0 events a check
			case 1:
				return eventstore.StreamExists, 1 + choose(2)
			case 2:
				return eventstore.NoStream, 1
			case 3:
				return eventstore.Exact(seen), 0
			default:
				return eventstore.Exact(seen), 1 + choose(3)
			}
		},
	})
	won := 0
	for _, call := range calls {
		if call.Outcome.Err == nil {
			won++
		}
	}
	t.Logf("%d of %d calls succeeded", won, len(calls))
}
