package storemodel_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/storetest"
)

// whole is the model of storetest as porcupine asks for it.
var whole = porcupine.Model{
	Init: func() any { return storetest.NewModel() },
	Step: func(state, input, output any) (bool, any) {
		next := state.(*storetest.Model).Clone()
		err := next.Step(input.(storetest.Op), output.(storetest.Outcome))
		return err == nil, next
	},
	Equal:             func(a, b any) bool { return a.(*storetest.Model).Equal(b.(*storetest.Model)) },
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%s -> %s", input, output) },
}

// byStream divides a history whose operations are about one stream each. What
// is linearizable for each stream is linearizable (Herlihy and Wing, 1990).
func byStream(history []porcupine.Operation) (parts [][]porcupine.Operation) {
	streams := make(map[string]int)
	for _, operation := range history {
		var stream string
		switch op := operation.Input.(type) {
		case storetest.Append:
			stream = op[0].Stream
		case storetest.Erase:
			stream = op.Stream
		case storetest.Read:
			stream = op.Stream
		}
		at, known := streams[stream]
		if !known {
			at = len(parts)
			streams[stream] = at
			parts = append(parts, nil)
		}
		parts[at] = append(parts[at], operation)
	}
	return parts
}

func operations(history storetest.History) []porcupine.Operation {
	all := make([]porcupine.Operation, len(history))
	for i, call := range history {
		all[i] = porcupine.Operation{
			ClientId: call.Client, Input: call.Op, Output: call.Outcome,
			Call: int64(call.Start), Return: int64(call.End),
		}
	}
	return all
}

func decide(model porcupine.Model, history storetest.History) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(model, operations(history), time.Minute)
}

// linearizable fails the test if there is no order of the calls that explains
// them.
func linearizable(t *testing.T, model porcupine.Model, history storetest.History) {
	t.Helper()
	switch decide(model, history) {
	case porcupine.Illegal:
		t.Errorf("in no order that agrees with time do these calls come to what they came to:\n%s", history)
	case porcupine.Unknown:
		t.Errorf("porcupine did not come to an end with these calls:\n%s", history)
	}
}

// TestOneStream lets clients append to, read and erase a few streams, each call
// one of them.
func TestOneStream(t *testing.T) {
	onDrivers(t, func(t *testing.T, stores *stores) {
		model := whole
		model.Partition = byStream
		for seed := range uint64(6) {
			linearizable(t, model, play(t, stores.empty(), seed, 8, 25, 1))
		}
	})
}

// TestManyStreams lets appends be to several streams, or check them.
func TestManyStreams(t *testing.T) {
	onDrivers(t, func(t *testing.T, stores *stores) {
		for seed := range uint64(20) {
			linearizable(t, whole, play(t, stores.empty(), seed, 4, 8, 3))
		}
	})
}

// hasty is a driver that decides before it locks.
type hasty struct{ *eventstore.Memory }

func (h hasty) Append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	heads := func(i int) eventstore.Head {
		page, err := h.ReadStream(ctx, eventstore.StreamRange{Stream: writes[i].Stream, Tenant: writes[i].Tenant, From: 1})
		if err != nil {
			panic(err)
		}
		return page.Head
	}
	none := func(int, uuid.UUID) (eventstore.Found, bool) { return eventstore.Found{}, false }
	if _, err := eventstore.Check(writes, results, heads, none); err != nil {
		return err
	}
	time.Sleep(200 * time.Microsecond) // others have to get between
	own := slices.Clone(writes)
	for i := range own {
		own[i].Expected = eventstore.Any
	}
	return h.Memory.Append(ctx, own, results)
}

// TestHistoriesOfAHastyDriver sees to it that the tests above can fail.
func TestHistoriesOfAHastyDriver(t *testing.T) {
	stores := &stores{all: eventstore.New(hasty{eventstore.NewMemory()}, eventstore.Config{})}
	one := whole
	one.Partition = byStream
	for seed := range uint64(20) {
		single := decide(one, play(t, stores.empty(), seed, 8, 25, 1))
		several := decide(whole, play(t, stores.empty(), seed, 4, 8, 3))
		if single == porcupine.Illegal && several == porcupine.Illegal {
			return
		}
	}
	t.Error("a driver that decides before it locks was not found out")
}

// TestContests checks the histories of the kit's own contests twice.
func TestContests(t *testing.T) {
	onDrivers(t, func(t *testing.T, stores *stores) {
		for round := range 3 {
			contest := storetest.Contest{
				Stream: "contest-1", Clients: 8, Appends: 15, Events: newEvents,
				Next: func(client, n int, seen int64) (eventstore.Expected, int) {
					if (client+n+round)%4 == 0 {
						return eventstore.Any, 1
					}
					return eventstore.Exact(seen), 1 + n%2
				},
			}
			history := contest.Run(t.Context(), stores.empty())
			if err := history.Check(0); err != nil {
				t.Errorf("the kit finds that it is not linearizable: %v", err)
			}
			linearizable(t, whole, history)
		}
	})
}

func newEvents(n int) []eventstore.Event {
	events := make([]eventstore.Event, n)
	for i := range events {
		events[i] = eventstore.Event{ID: uuid.New(), Type: "Happened"}
	}
	return events
}

// play lets clients do random things at the same time to up to three streams,
// each time to as many as width at most.
func play(t *testing.T, store *eventstore.Store, seed uint64, clients, calls, width int) storetest.History {
	history := make(storetest.History, clients*calls)
	var running sync.WaitGroup
	began := time.Now()
	for client := range clients {
		running.Go(func() {
			p := player{rand: rand.New(rand.NewPCG(seed, uint64(client))), width: width, heard: make(map[string]int64)}
			for n := range calls {
				op := p.next()
				call := storetest.Call{Client: client, Op: op, Start: time.Since(began)}
				call.Outcome = storetest.Do(t.Context(), store, op)
				call.End = time.Since(began)
				p.hear(op, call.Outcome)
				history[client*calls+n] = call
			}
		})
	}
	running.Wait()
	return history
}

// player chooses what a client does.
type player struct {
	rand  *rand.Rand
	width int
	heard map[string]int64 // the versions of streams
	last  storetest.Append
}

func (p *player) next() storetest.Op {
	stream := fmt.Sprint("play-", p.rand.IntN(3))
	switch choice := p.rand.IntN(20); {
	case choice < 12:
		p.last = nil
		for i := range 1 + p.rand.IntN(p.width) {
			p.last = append(p.last, p.write(fmt.Sprint("play-", i)))
		}
		if len(p.last) == 1 {
			p.last[0].Stream = stream
		}
		return p.last
	case choice < 14 && p.last != nil:
		return p.last // again
	case choice == 14:
		return storetest.Erase{Stream: stream, Kind: eventstore.Truncate, Before: max(p.heard[stream], 1)}
	case choice == 15:
		return storetest.Erase{Stream: stream, Expected: p.expected(stream), Kind: eventstore.Delete}
	default:
		return storetest.Read{Stream: stream, From: max(p.heard[stream]-1, 1), Max: 5, Backwards: choice == 19}
	}
}

func (p *player) write(stream string) eventstore.Write {
	return eventstore.Write{Stream: stream, Expected: p.expected(stream), Events: newEvents(p.rand.IntN(3))}
}

func (p *player) expected(stream string) eventstore.Expected {
	switch p.rand.IntN(6) {
	case 0:
		return eventstore.NoStream
	case 1:
		return eventstore.StreamExists
	case 2, 3:
		return eventstore.Exact(p.heard[stream])
	default:
		return eventstore.Any
	}
}

func (p *player) hear(op storetest.Op, outcome storetest.Outcome) {
	if conflict, ok := errors.AsType[*eventstore.ConflictError](outcome.Err); ok {
		p.heard[conflict.Stream] = conflict.Actual
	}
	if read, ok := op.(storetest.Read); ok && outcome.Err == nil {
		p.heard[read.Stream] = outcome.Page.Head.Version
	}
	for i, result := range outcome.Results {
		p.heard[op.(storetest.Append)[i].Stream] = result.Version
	}
}
