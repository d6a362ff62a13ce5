package storetest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/parlance-go/parlance/eventstore"
)

// Op is something done to a store: an [Append], an [Erase] or a [Read]. It is
// plain data, so that a history of them can be repeated, shortened and told.
type Op interface {
	// String tells the Op in words.
	String() string
	do(ctx context.Context, store *eventstore.Store) Outcome
}

// Append is an append to one stream or several.
type Append []eventstore.Write

// Erase is a truncation, a deletion or a tombstone.
type Erase eventstore.Erasure

// Read is the reading of one page of a stream.
type Read eventstore.StreamRange

// Outcome is what an Op came to.
type Outcome struct {
	// Err is what it returned, and the rest is empty then.
	Err error
	// Results are those of an Append, one for each of its writes.
	Results []eventstore.Appended
	// Page is that of a Read.
	Page eventstore.StreamPage
}

// Do does an Op. Afterwards it overwrites the memory that the store was given,
// so that a driver that has kept some of it is found out.
func Do(ctx context.Context, store *eventstore.Store, op Op) Outcome {
	return op.do(ctx, store)
}

func (op Append) do(ctx context.Context, store *eventstore.Store) Outcome {
	writes := make([]eventstore.Write, len(op))
	for i, w := range op {
		writes[i] = w
		writes[i].Events = copyEvents(w.Events)
	}
	var outcome Outcome
	if len(writes) == 1 {
		w := writes[0]
		result, err := store.Append(ctx, w.Stream, w.Expected, w.Events...)
		outcome = Outcome{Err: err, Results: []eventstore.Appended{result}}
	} else {
		results, err := store.AppendAll(ctx, writes...)
		outcome = Outcome{Err: err, Results: slices.Clone(results)}
		clear(results)
	}
	for _, w := range writes {
		scribble(w.Events)
	}
	clear(writes)
	if outcome.Err != nil {
		outcome.Results = nil
	}
	return outcome
}

func (op Erase) do(ctx context.Context, store *eventstore.Store) Outcome {
	switch op.Kind {
	case eventstore.Truncate:
		return Outcome{Err: store.Truncate(ctx, op.Stream, op.Before)}
	case eventstore.Delete:
		return Outcome{Err: store.Delete(ctx, op.Stream, op.Expected)}
	default:
		return Outcome{Err: store.Tombstone(ctx, op.Stream, op.Expected)}
	}
}

func (op Read) do(ctx context.Context, store *eventstore.Store) Outcome {
	page, err := store.ReadPage(ctx, eventstore.StreamRange(op))
	if err != nil {
		return Outcome{Err: err}
	}
	outcome := Outcome{Page: page}
	outcome.Page.Events = copyRecorded(page.Events)
	for i := range page.Events {
		scribble([]eventstore.Event{page.Events[i].Event})
	}
	clear(page.Events)
	return outcome
}

func copyEvents(events []eventstore.Event) []eventstore.Event {
	own := slices.Clone(events)
	for i := range own {
		own[i].Data = bytes.Clone(own[i].Data)
		own[i].Metadata.Extra = maps.Clone(own[i].Metadata.Extra)
	}
	return own
}

func copyRecorded(events []eventstore.Recorded) []eventstore.Recorded {
	own := slices.Clone(events)
	for i := range own {
		own[i].Data = bytes.Clone(own[i].Data)
		own[i].Metadata.Extra = maps.Clone(own[i].Metadata.Extra)
	}
	return own
}

// scribble overwrites the memory of events that nobody may be using any more.
func scribble(events []eventstore.Event) {
	for i := range events {
		if data := events[i].Data; len(data) > 0 {
			clear(data)
			data[0] = '!'
		}
		for key := range events[i].Metadata.Extra {
			events[i].Metadata.Extra[key] = "overwritten by the kit"
		}
	}
	clear(events)
}

// String implements Op.
func (op Append) String() string {
	if len(op) == 1 {
		return tellWrite(op[0])
	}
	return "all or none of: " + tellMany(len(op), "; ", func(i int) string { return tellWrite(op[i]) })
}

func tellWrite(w eventstore.Write) string {
	if len(w.Events) == 0 {
		return fmt.Sprintf("check that %q is at %s", w.Stream, w.Expected)
	}
	return fmt.Sprintf("append %s to %q expecting %s", tellIDs(w.Events), w.Stream, w.Expected)
}

// String implements Op.
func (op Erase) String() string {
	switch op.Kind {
	case eventstore.Truncate:
		return fmt.Sprintf("truncate %q before version %d", op.Stream, op.Before)
	case eventstore.Delete:
		return fmt.Sprintf("delete %q expecting %s", op.Stream, op.Expected)
	default:
		return fmt.Sprintf("tombstone %q expecting %s", op.Stream, op.Expected)
	}
}

// String implements Op.
func (op Read) String() string {
	from := fmt.Sprintf("from version %d", op.From)
	if op.From == eventstore.End {
		from = "from the end"
	}
	if op.Backwards {
		from += " backwards"
	}
	return fmt.Sprintf("read %q %s, at most %d events", op.Stream, from, op.Max)
}

// String tells the outcome in words.
func (o Outcome) String() string {
	switch {
	case o.Err != nil:
		return "error: " + o.Err.Error()
	case o.Results != nil:
		return tellMany(len(o.Results), "; ", func(i int) string { return tellResult(o.Results[i]) })
	case o.Page.Head != eventstore.Head{}:
		return fmt.Sprintf("%s; %s", tellHead(o.Page.Head), tellRecorded(o.Page.Events))
	default:
		return "done"
	}
}
