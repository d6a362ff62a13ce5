package storetest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/storetest"
)

// TestHistoryCheck tells each way in which a history can be wrong. That Check
// finds all that is wrong, and nothing else, is tested against porcupine in
// internal/storemodel.
func TestHistoryCheck(t *testing.T) {
	const ms = time.Millisecond
	call := func(expected eventstore.Expected, events int, outcome storetest.Outcome, start, end time.Duration) storetest.Call {
		return storetest.Call{
			Op:      storetest.Append{{Stream: "a-1", Expected: expected, Events: make([]eventstore.Event, events)}},
			Outcome: outcome, Start: start, End: end,
		}
	}
	did := func(version int64) storetest.Outcome {
		return storetest.Outcome{Results: []eventstore.Appended{{Version: version}}}
	}
	conflict := func(expected eventstore.Expected, actual int64) storetest.Outcome {
		return storetest.Outcome{Err: &eventstore.ConflictError{Stream: "a-1", Expected: expected, Actual: actual}}
	}
	duplicate := storetest.Outcome{Results: []eventstore.Appended{{Version: 1, Duplicate: true}}}
	for name, test := range map[string]struct {
		history storetest.History
		want    string // part of the error; none if empty
	}{
		"empty":             {nil, ""},
		"one after another": {storetest.History{call(eventstore.Any, 2, did(2), 0, ms), call(eventstore.Exact(2), 1, did(3), 2*ms, 3*ms)}, ""},
		"at the same time":  {storetest.History{call(eventstore.Any, 1, did(2), 0, 3*ms), call(eventstore.NoStream, 1, did(1), ms, 2*ms)}, ""},
		"a conflict beside the append that it saw": {
			storetest.History{call(eventstore.Any, 1, did(1), ms, 3*ms), call(eventstore.NoStream, 1, conflict(eventstore.NoStream, 1), 0, 2*ms)}, "",
		},
		"the same version twice": {
			storetest.History{call(eventstore.Any, 1, did(1), 0, ms), call(eventstore.Any, 1, did(1), 0, ms)}, "given the same version 1",
		},
		"a gap":                     {storetest.History{call(eventstore.Any, 1, did(1), 0, ms), call(eventstore.Any, 1, did(3), 0, ms)}, "nobody was given version 2"},
		"a version that never was":  {storetest.History{call(eventstore.NoStream, 1, conflict(eventstore.NoStream, 5), 0, ms)}, "never at version 5"},
		"a success that should not": {storetest.History{call(eventstore.Exact(4), 1, did(1), 0, ms)}, "opposite"},
		"a conflict that should not": {
			storetest.History{call(eventstore.Exact(0), 1, conflict(eventstore.Exact(0), 0), 0, ms)}, "opposite",
		},
		"against time": {
			storetest.History{call(eventstore.Any, 1, did(2), 0, ms), call(eventstore.Any, 1, did(1), 2*ms, 3*ms)}, "began after the first had ended",
		},
		"a conflict that saw the future": {
			storetest.History{call(eventstore.NoStream, 1, conflict(eventstore.NoStream, 1), 0, ms), call(eventstore.Any, 1, did(1), 2*ms, 3*ms)},
			"began after the first had ended",
		},
		"another error": {storetest.History{call(eventstore.Any, 1, storetest.Outcome{Err: errors.New("connection lost")}, 0, ms)}, "connection lost"},
		"a duplicate":   {storetest.History{call(eventstore.Any, 1, duplicate, 0, ms)}, "no duplicate"},
		"another kind":  {storetest.History{{Op: storetest.Read{Stream: "a-1"}}}, "not an append"},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.history.Check(0)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("it is linearizable, and Check said: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("it is not linearizable because of %q, and Check said: %v", test.want, err)
			}
		})
	}
}

// TestSeed sees to it that a failure can be seen again, and that what it tells
// is short.
func TestSeed(t *testing.T) {
	story := func(seed uint64) string {
		h := transactionalHarness()
		h.Seed = seed
		h.New = func(testing.TB) eventstore.Driver { return forgetful(newTransactional()) }
		return watch(t, h, "one after another as the model").words.String()
	}
	first, again, other := story(7), story(7), story(8)
	if first != again || !strings.Contains(first, "seed:     7") {
		t.Errorf("the same seed told this:%s\nand then this:%s", first, again)
	}
	if first == other {
		t.Errorf("two seeds told the same:%s", first)
	}
	if !strings.Contains(first, "these 3 are enough") {
		t.Errorf("append, erase and append again are enough to show it, but it told:%s", first)
	}
}
