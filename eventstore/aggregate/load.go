package aggregate

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

// engine is what Repository and Roots are made of.
type engine[S, E any] struct {
	Config[S, E]
	blank  func() S
	evolve func(S, E) S

	// named tells a state, before anything is folded, whose it is. It may be nil.
	named func(state S, stream string)

	// spoils tells that deciding changes the state.
	spoils bool

	// unproven tells that nobody has vouched for the StateCodec.
	unproven bool
}

// place is where in its stream an aggregate is.
type place struct {
	// version is that of the last event, or of the head of a deleted stream.
	version int64

	// anew tells that the stream was deleted.
	anew bool
}

// loaded is an aggregate as the log has it.
type loaded[S any] struct {
	place
	state S

	// last is the ID of the event at version, by which the log confirms that the
	// state is still that of the stream. It is uuid.Nil if nothing was folded.
	last uuid.UUID

	// snapshot is the version of the snapshot that the state began with, or 0.
	snapshot int64

	// folded counts the events since the snapshot.
	folded int

	// partial tells that earlier events of the stream were not looked at.
	partial bool
}

// find returns the aggregate as it is now.
func (e *engine[S, E]) find(ctx context.Context, id string) (*loaded[S], error) {
	stream, err := e.stream(id)
	if err != nil {
		return nil, err
	}
	at := e.begin(ctx, stream)
	if err := e.advance(ctx, stream, at, nil); err != nil {
		return nil, fmt.Errorf("aggregate: load %q: %w", stream, err)
	}
	e.keep(ctx, stream, e.take(ctx, stream, at))
	return at, nil
}

// initial returns the state of an aggregate without events.
func (e *engine[S, E]) initial(stream string) S {
	state := e.blank()
	if e.named != nil {
		e.named(state, stream)
	}
	return state
}

// advance brings an aggregate up to date. It costs one round trip for each page
// of events, and one more if the log does not confirm the state.
func (e *engine[S, E]) advance(ctx context.Context, stream string, at *loaded[S], earlier *earlier[E]) error {
	const attempts = 4
	for range attempts {
		fits, err := e.fold(ctx, stream, at, earlier)
		if err != nil || fits {
			return err
		}
		if at.snapshot > 0 {
			e.told(ctx, stream, at.snapshot, errUnconfirmed)
		}
		*at = loaded[S]{state: e.initial(stream)}
		earlier.forget()
	}
	return fmt.Errorf("stream %q: its events were erased while they were read, %d times in a row", stream, attempts)
}

// fold adds to the state what is new. It returns false if the stream does not
// hold the events that the state was folded from.
func (e *engine[S, E]) fold(ctx context.Context, stream string, at *loaded[S], earlier *earlier[E]) (fits bool, err error) {
	// The event at the version is read once more, to see that it is the same.
	from := max(at.version, 1)
	if at.last == uuid.Nil {
		from = 1
	}
	var size pageSize
	for first := true; ; first = false {
		page, err := e.Store.ReadPage(ctx, eventstore.StreamRange{Stream: stream, From: from, Max: size.next()})
		if err != nil {
			return false, err
		}
		events := page.Events
		switch {
		case !first:
		case at.last != uuid.Nil:
			if len(events) == 0 || events[0].Version != at.version || events[0].ID != at.last {
				return false, nil
			}
			events = events[1:]
		default:
			if err := at.start(stream, page); err != nil {
				return false, err
			}
		}
		for i := range events {
			event := &events[i]
			if event.Version != at.version+1 {
				return false, nil
			}
			value, err := e.Events.Decode(event.Event)
			if err != nil {
				return false, fmt.Errorf("version %d: %w", event.Version, err)
			}
			at.state = e.evolve(at.state, value)
			at.version, at.last = event.Version, event.ID
			at.folded++
			earlier.see(event.ID, value)
		}
		if at.version >= page.Head.Version {
			return true, nil
		}
		if len(page.Events) == 0 {
			return false, nil
		}
		from = at.version + 1
		size.observe(page.Events)
	}
}

// start finds the version after which a blank state has to be folded.
func (l *loaded[S]) start(stream string, page eventstore.StreamPage) error {
	l.version, l.anew, l.partial = 0, false, false
	switch head := page.Head; {
	case head.Version == 0:
		return nil
	case head.Deleted:
		l.version, l.anew, l.partial = head.Version, true, true
		return nil
	case len(page.Events) == 0:
		return &TruncatedError{Stream: stream, First: head.First}
	}
	switch first := &page.Events[0]; {
	case first.Version == 1:
		return nil
	case first.Metadata.Extra[startKey] == startMark(stream, first.Version):
		l.version, l.partial = first.Version-1, true
		return nil
	default:
		return &TruncatedError{Stream: stream, First: first.Version}
	}
}

// startKey is the key in Metadata.Extra of the first event after a deletion.
// Without it, a stream that was reopened would look like one that was truncated.
const startKey = "aggregatestart"

// startMark is what stands under startKey. It names its event, so that metadata
// passed on to another event does not mark that one.
func startMark(stream string, version int64) string {
	return stream + "@" + strconv.FormatInt(version, 10)
}

// pageSize bounds how much one page holds in memory: it asks for as many events
// as fill about 4 MiB, judged by the page before.
type pageSize struct{ events int }

func (p *pageSize) next() int {
	const firstPage = 256
	if p.events == 0 {
		p.events = firstPage
	}
	return p.events
}

func (p *pageSize) observe(page []eventstore.Recorded) {
	const largestPage, pageBytes = 2048, 4 << 20
	total := 0
	for i := range page {
		total += len(page[i].Data)
	}
	fits := pageBytes / max(total/len(page), 1)
	p.events = min(max(fits, 1), largestPage, 4*p.events)
}
