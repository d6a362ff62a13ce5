package storemodel_test

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/storetest"
)

// TestCheckAgreesWithPorcupine sets the kit's own checker of histories, which
// does not search, against one that does: on histories of all kinds, of which
// most are wrong, both must say the same.
func TestCheckAgreesWithPorcupine(t *testing.T) {
	right, wrong := 0, 0
	compare := func(r *rapid.T) {
		history := anyHistory(r)
		mine := history.Check(0)
		theirs := decide(whole, history)
		if mine == nil {
			right++
		} else {
			wrong++
		}
		if (mine == nil) != (theirs == porcupine.Ok) {
			r.Fatalf("the kit says %v, porcupine says %v, of:\n%s", mine, theirs, history)
		}
	}
	for range 50 { // these take microseconds: more of them than of the others
		rapid.Check(t, compare)
	}
	t.Logf("%d histories were linearizable and %d were not", right, wrong)
	if right == 0 || wrong == 0 {
		t.Error("one of the two did not occur, so nothing was compared")
	}
}

// anyHistory plays appends to a stream one after another, stretches each over
// a time in which it may have happened, and then perhaps spoils one.
func anyHistory(r *rapid.T) storetest.History {
	model := storetest.NewModel()
	var history storetest.History
	number := func(n int, label string) int { return rapid.IntRange(0, n).Draw(r, label) }
	for n := range 1 + number(6, "calls") {
		head := model.Head("one-1").Version
		expected := []eventstore.Expected{eventstore.Any, eventstore.NoStream, eventstore.StreamExists, eventstore.Exact(head), eventstore.Exact(head + 1)}
		op := storetest.Append{{Stream: "one-1", Expected: expected[number(4, "expected")], Events: newEvents(number(2, "events"))}}
		outcome := sequential(model, op)
		history = append(history, storetest.Call{
			Client: n, Op: op, Outcome: outcome,
			Start: time.Duration(10*n-number(25, "earlier")) * time.Millisecond,
			End:   time.Duration(10*n+1+number(25, "later")) * time.Millisecond,
		})
	}
	spoil(r, history)
	return history
}

// sequential returns what an append comes to when nobody else is there.
func sequential(model *storetest.Model, op storetest.Append) storetest.Outcome {
	head := model.Head(op[0].Stream).Version
	did := storetest.Outcome{Results: []eventstore.Appended{{Version: head + int64(len(op[0].Events))}}}
	if len(op[0].Events) > 0 {
		did.Results[0].Position = did.Results[0].Version
	}
	refused := storetest.Outcome{Err: &eventstore.ConflictError{Stream: op[0].Stream, Expected: op[0].Expected, Actual: head}}
	if model.Clone().Step(op, did) == nil {
		_ = model.Step(op, did)
		return did
	}
	return refused
}

func spoil(r *rapid.T, history storetest.History) {
	call := &history[rapid.IntRange(0, len(history)-1).Draw(r, "spoilt")]
	other := history[rapid.IntRange(0, len(history)-1).Draw(r, "with")]
	w := call.Op.(storetest.Append)[0]
	switch rapid.IntRange(0, 4).Draw(r, "how") {
	case 0: // says that it was done, as another one was
		call.Outcome = storetest.Outcome{Results: []eventstore.Appended{{Version: rapid.Int64Range(0, 8).Draw(r, "version")}}}
		if len(w.Events) > 0 {
			call.Outcome.Results[0].Position = 1000
		}
	case 1: // says that it conflicted
		call.Outcome = storetest.Outcome{Err: &eventstore.ConflictError{
			Stream: w.Stream, Expected: w.Expected, Actual: rapid.Int64Range(0, 8).Draw(r, "actual"),
		}}
	case 2: // was at another time
		call.Start, call.End = other.Start, other.End
	}
}
