package storetest

import (
	"fmt"
	"slices"

	"github.com/parlance-go/parlance/eventstore"
)

// modelStreams are the streams that Next plays with: few, so that what is done
// to them meets, and named as awkwardly as is allowed.
var modelStreams = [...]string{"a-1", "a-2", "b-1", "plain", `it's "100%"_\-☃`}

// Next returns something to do to a store that is as the Model. It is made of
// the answers of choose, which returns a number from 0 to n-1, and of nothing
// else: the same answers make the same Op. Lower answers make simpler ones.
func (m *Model) Next(choose func(n int) int) Op {
	switch kind := choose(20); {
	case kind < 10:
		return Append{m.nextWrite(choose, modelStreams[choose(len(modelStreams))])}
	case kind < 13:
		return m.nextTogether(choose)
	case kind < 17:
		return m.nextRead(choose)
	default:
		return m.nextErase(choose, kind)
	}
}

func (m *Model) nextTogether(choose func(n int) int) Op {
	names := slices.Clone(modelStreams[:])
	var op Append
	for range 2 + choose(2) {
		i := choose(len(names))
		op = append(op, m.nextWrite(choose, names[i]))
		names = slices.Delete(names, i, i+1)
	}
	return op
}

func (m *Model) nextWrite(choose func(n int) int, stream string) eventstore.Write {
	w := eventstore.Write{Stream: stream, Expected: m.nextExpected(choose, stream)}
	switch s := m.peek(stream); choose(5) {
	case 0, 1:
		w.Events = m.nextEvents(choose, 1+choose(3))
	case 2: // nothing: only a check
	case 3: // again what is there
		if len(s.events) > 0 {
			from := choose(len(s.events))
			to := from + 1 + choose(min(len(s.events)-from, 3))
			for _, r := range s.events[from:to] {
				w.Events = append(w.Events, r.Event)
			}
		}
	default: // something of both, in some order
		w.Events = m.nextEvents(choose, choose(3))
		if len(s.events) > 0 {
			for range choose(3) {
				old := s.events[choose(len(s.events))].Event
				if !slices.ContainsFunc(w.Events, func(e eventstore.Event) bool { return e.ID == old.ID }) {
					w.Events = slices.Insert(w.Events, choose(len(w.Events)+1), old)
				}
			}
		}
	}
	return w
}

func (m *Model) nextExpected(choose func(n int) int, stream string) eventstore.Expected {
	head := m.peek(stream).version()
	switch choose(8) {
	case 0, 1, 2:
		return eventstore.Any
	case 3:
		return eventstore.NoStream
	case 4:
		return eventstore.StreamExists
	case 5, 6:
		return eventstore.Exact(head)
	default:
		return eventstore.Exact(int64(choose(int(head) + 2)))
	}
}

func (m *Model) nextEvents(choose func(n int) int, count int) []eventstore.Event {
	events := make([]eventstore.Event, count)
	for i := range events {
		m.made++
		order := ascending
		if choose(4) == 3 {
			order = descending
		}
		e := eventstore.Event{ID: order.id(m.made), Type: "A", SchemaVersion: 1 + choose(2)}
		if choose(2) == 1 {
			e.Type = `B"'\☃`
			e.Data = []byte{byte(m.made), 0, 0xff, '\\', '\''}
			e.Metadata = eventstore.Metadata{
				CorrelationID: fmt.Sprint("correlation-", m.made), CausationID: "cause", Actor: "☃",
				TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
				Extra:       map[string]string{"": "empty", "k☃": `v"'\`},
			}
		}
		events[i] = e
	}
	return events
}

func (m *Model) nextRead(choose func(n int) int) Op {
	stream := modelStreams[choose(len(modelStreams))]
	head := int(m.peek(stream).version())
	r := Read{Stream: stream, From: 1 + int64(choose(head+2)), Max: choose(5), Backwards: choose(2) == 1}
	if r.Backwards && choose(3) == 0 {
		r.From = eventstore.End
	}
	return r
}

func (m *Model) nextErase(choose func(n int) int, kind int) Op {
	stream := modelStreams[choose(len(modelStreams))]
	head := int(m.peek(stream).version())
	switch {
	case kind == 17:
		return Erase{Stream: stream, Expected: eventstore.Any, Kind: eventstore.Truncate, Before: int64(choose(head + 3))}
	case kind == 18 || choose(4) > 0: // tombstones are for ever: seldom
		return Erase{Stream: stream, Expected: m.nextExpected(choose, stream), Kind: eventstore.Delete}
	default:
		return Erase{Stream: stream, Expected: m.nextExpected(choose, stream), Kind: eventstore.Tombstone}
	}
}
