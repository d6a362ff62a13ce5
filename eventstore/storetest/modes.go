package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/parlance-go/parlance/eventstore"
)

// The states a stream can be in, and what each expectation makes of them:
//
//	yes   the append takes place
//	no    ConflictError
//	shut  TombstonedError
//	-     the expectation cannot be stated
//
// The tables are written out from the documentation of eventstore.Expected, and
// not computed, so that a mistake in the code cannot agree with one here.
const (
	modeColumns = `              Any  NoStream StreamExists Exact(head) Exact(head-1) Exact(head+1) Exact(0)`

	appendTable = `
absent                            yes  yes      no           yes         -             no            yes
present                           yes  no       yes          yes         no            no            no
partly truncated                  yes  no       yes          yes         no            no            no
wholly truncated                  yes  no       yes          yes         no            no            no
deleted                           yes  yes      no           yes         no            no            yes
reopened                          yes  no       yes          yes         no            no            no
tombstoned                        shut shut     shut         shut        shut          shut          shut
tombstoned while absent           shut shut     shut         shut        -             shut          shut`

	checkTable = `
absent                            yes  yes      no           yes         -             no            yes
present                           yes  no       yes          yes         no            no            no
partly truncated                  yes  no       yes          yes         no            no            no
wholly truncated                  yes  no       yes          yes         no            no            no
deleted                           yes  yes      no           yes         no            no            yes
reopened                          yes  no       yes          yes         no            no            no
tombstoned                        yes  yes      shut         shut        shut          shut          yes
tombstoned while absent           yes  yes      shut         yes         -             shut          yes`

	// In these two, "none" is ErrNoStream.
	deleteTable = `
absent                            none none     no           none        -             no            none
present                           yes  no       yes          yes         no            no            no
partly truncated                  yes  no       yes          yes         no            no            no
wholly truncated                  yes  no       yes          yes         no            no            no
deleted                           yes  yes      no           yes         no            no            yes
reopened                          yes  no       yes          yes         no            no            no
tombstoned                        shut shut     shut         shut        shut          shut          shut
tombstoned while absent           shut shut     shut         shut        -             shut          shut`

	tombstoneTable = `
absent                            yes  yes      no           yes         -             no            yes
present                           yes  no       yes          yes         no            no            no
partly truncated                  yes  no       yes          yes         no            no            no
wholly truncated                  yes  no       yes          yes         no            no            no
deleted                           yes  yes      no           yes         no            no            yes
reopened                          yes  no       yes          yes         no            no            no
tombstoned                        yes  yes      yes          yes         yes           yes           yes
tombstoned while absent           yes  yes      yes          yes         -             yes           yes`
)

func modeGroup() group {
	table := func(rows string, op func(*trial, string, eventstore.Expected) Op) func(context.Context, *trial) {
		return func(ctx context.Context, t *trial) { modeTable(ctx, t, rows, op) }
	}
	return group{"mode table", []testCase{
		{name: "appending", check: table(appendTable, func(t *trial, stream string, expected eventstore.Expected) Op {
			return Append{{Stream: stream, Expected: expected, Events: t.events(2)}}
		})},
		{name: "checking without events", check: table(checkTable, func(_ *trial, stream string, expected eventstore.Expected) Op {
			return Append{{Stream: stream, Expected: expected}}
		})},
		{name: "appending to two streams", check: table(appendTable, func(t *trial, stream string, expected eventstore.Expected) Op {
			return Append{
				{Stream: "beside " + stream, Expected: eventstore.Any, Events: t.events(1)},
				{Stream: stream, Expected: expected, Events: t.events(2)},
			}
		})},
		{name: "checking one stream and appending to another", check: table(checkTable, func(t *trial, stream string, expected eventstore.Expected) Op {
			return Append{
				{Stream: "beside " + stream, Expected: eventstore.Any, Events: t.events(1)},
				{Stream: stream, Expected: expected},
			}
		})},
		{name: "deleting", check: table(deleteTable, func(_ *trial, stream string, expected eventstore.Expected) Op {
			return Erase{Stream: stream, Expected: expected, Kind: eventstore.Delete}
		})},
		{name: "tombstoning", check: table(tombstoneTable, func(_ *trial, stream string, expected eventstore.Expected) Op {
			return Erase{Stream: stream, Expected: expected, Kind: eventstore.Tombstone}
		})},
	}}
}

// modeTable tries every cell of a table on a stream of its own.
func modeTable(ctx context.Context, t *trial, rows string, op func(*trial, string, eventstore.Expected) Op) {
	columns := strings.Fields(modeColumns)
	for row := range strings.Lines(strings.TrimSpace(rows)) {
		fields := strings.Fields(row)
		cells := fields[len(fields)-len(columns):]
		state := strings.Join(fields[:len(fields)-len(columns)], " ")
		for i, cell := range cells {
			if cell == "-" {
				continue
			}
			stream := fmt.Sprintf("%s-%s", state, columns[i])
			cell := modeCell{t.chapter(), state, columns[i], cell, stream}
			cell.check(ctx, op)
		}
	}
}

type modeCell struct {
	*trial
	state, expectation, want string
	stream                   string
}

func (c modeCell) check(ctx context.Context, op func(*trial, string, eventstore.Expected) Op) {
	c.Helper()
	before := c.prepare(ctx)
	expected := map[string]eventstore.Expected{
		"Any":           eventstore.Any,
		"NoStream":      eventstore.NoStream,
		"StreamExists":  eventstore.StreamExists,
		"Exact(head)":   eventstore.Exact(before.Version),
		"Exact(head-1)": eventstore.Exact(max(before.Version-1, 0)),
		"Exact(head+1)": eventstore.Exact(before.Version + 1),
		"Exact(0)":      eventstore.Exact(0),
	}[c.expectation]
	o := op(c.trial, c.stream, expected)
	outcome := c.do(ctx, o)
	promise := fmt.Sprintf("on a stream that is %s, %s comes to %q", c.state, c.expectation, c.want)

	matches := map[string]error{
		"no": eventstore.ErrConflict, "shut": eventstore.ErrTombstoned, "none": eventstore.ErrNoStream,
	}
	if c.want != "yes" {
		if outcome.Err == nil {
			c.broken(promise, "it was done")
		} else if c.wants(promise, outcome.Err, matches[c.want]) {
			c.facts(outcome.Err, expected, before)
		}
		c.trial.head(ctx, c.stream, before)
		if other, _ := c.store.Head(ctx, "beside "+c.stream); other.Version != 0 {
			c.broken("an append to two streams is done wholly or not at all",
				"%v, and yet the other stream has %s", outcome.Err, tellHead(other))
		}
		return
	}
	if outcome.Err != nil {
		c.broken(promise, "%v", outcome.Err)
		return
	}
	c.trial.head(ctx, c.stream, c.after(o, outcome, before))
}

// after returns the head that the stream must have after what was done to it.
func (c modeCell) after(op Op, outcome Outcome, head eventstore.Head) eventstore.Head {
	c.Helper()
	switch op := op.(type) {
	case Append:
		mine := op[len(op)-1]
		head.Version += int64(len(mine.Events))
		if len(mine.Events) > 0 {
			head.Deleted = false
		}
		result := outcome.Results[len(op)-1]
		if result.Version != head.Version || result.Duplicate || result.Position > 0 != (len(mine.Events) > 0) {
			c.broken(fmt.Sprintf("the result is version %d, no duplicate, with a position if there are events", head.Version),
				"it was %s", tellResult(result))
		}
	case Erase:
		head.First = head.Version + 1
		head.Tombstoned = head.Tombstoned || op.Kind == eventstore.Tombstone
		head.Deleted = !head.Tombstoned
	}
	return head
}

// facts checks what the error of a refusal says.
func (c modeCell) facts(err error, expected eventstore.Expected, head eventstore.Head) {
	c.Helper()
	if conflict, ok := errors.AsType[*eventstore.ConflictError](err); ok {
		want := eventstore.ConflictError{Stream: c.stream, Expected: expected, Actual: head.Version, Deleted: head.Deleted}
		if *conflict != want {
			c.broken("a ConflictError tells the stream, what was expected and what is",
				"it told %+v, not %+v", *conflict, want)
		}
	}
	if shut, ok := errors.AsType[*eventstore.TombstonedError](err); ok && shut.Stream != c.stream {
		c.broken("a TombstonedError names the stream", "it named %q", shut.Stream)
	}
}

// prepare brings the stream into its state, and returns its head.
func (c modeCell) prepare(ctx context.Context) eventstore.Head {
	c.Helper()
	head := eventstore.Head{First: 1}
	erase := func(e eventstore.Erasure) {
		e.Stream, e.Expected = c.stream, eventstore.Any
		c.must(ctx, Erase(e))
	}
	if c.state == "tombstoned while absent" {
		erase(eventstore.Erasure{Kind: eventstore.Tombstone})
		return eventstore.Head{First: 1, Tombstoned: true}
	}
	if c.state == "absent" {
		return head
	}
	c.given(ctx, c.stream, 3)
	head.Version = 3
	switch c.state {
	case "partly truncated":
		erase(eventstore.Erasure{Kind: eventstore.Truncate, Before: 3})
		head.First = 3
	case "wholly truncated":
		erase(eventstore.Erasure{Kind: eventstore.Truncate, Before: 4})
		head.First = 4
	case "deleted":
		erase(eventstore.Erasure{Kind: eventstore.Delete})
		head.First, head.Deleted = 4, true
	case "reopened":
		erase(eventstore.Erasure{Kind: eventstore.Delete})
		c.given(ctx, c.stream, 1)
		head.Version, head.First = 4, 4
	case "tombstoned":
		erase(eventstore.Erasure{Kind: eventstore.Tombstone})
		head.First, head.Tombstoned = 4, true
	}
	return head
}
