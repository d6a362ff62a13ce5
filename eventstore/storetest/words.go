package storetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"strings"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

// eventID returns the ID that is told as "e" and the number.
func eventID(n uint64) uuid.UUID {
	id := uuid.UUID{0: 'k', 1: 'i', 2: 't', 6: 0x70, 8: 0x80}
	binary.BigEndian.PutUint32(id[12:], uint32(n))
	return id
}

// idOrder is how the IDs of new events follow each other. A driver may find IDs
// that ascend, as those of version 7 do, by another way than others.
type idOrder uint8

const (
	ascending idOrder = iota
	descending
	scattered
)

func (o idOrder) String() string {
	return [...]string{"ascending IDs", "descending IDs", "scattered IDs"}[o]
}

// id returns the ID of the n-th event, which no other n has.
func (o idOrder) id(n uint64) uuid.UUID {
	switch o {
	case descending:
		return eventID(1<<31 - n)
	case scattered:
		const odd = 0x9e3779b1
		return eventID(n * odd & math.MaxUint32)
	default:
		return eventID(n)
	}
}

// tellID is short for the IDs that the kit has made.
func tellID(id uuid.UUID) string {
	n := binary.BigEndian.Uint32(id[12:])
	if id == eventID(uint64(n)) {
		return fmt.Sprintf("e%d", n)
	}
	return id.String()
}

// tellMany tells up to a dozen of n things.
func tellMany(n int, separator string, tell func(i int) string) string {
	const most = 12
	words := make([]string, 0, most+1)
	for i := range n {
		if i == most-1 && n > most {
			words = append(words, fmt.Sprintf("... and %d more", n-i))
			break
		}
		words = append(words, tell(i))
	}
	return strings.Join(words, separator)
}

func tellIDs(events []eventstore.Event) string {
	return tellMany(len(events), " ", func(i int) string { return tellID(events[i].ID) })
}

// tellRecorded tells events with their versions.
func tellRecorded(events []eventstore.Recorded) string {
	if len(events) == 0 {
		return "no events"
	}
	return tellMany(len(events), " ", func(i int) string {
		return fmt.Sprintf("%d=%s", events[i].Version, tellID(events[i].ID))
	})
}

// tellPlace tells an event with its stream and version.
func tellPlace(r eventstore.Recorded) string {
	return fmt.Sprintf("%s (version %d of %q)", tellID(r.ID), r.Version, r.Stream)
}

func tellResult(r eventstore.Appended) string {
	text := fmt.Sprintf("version %d", r.Version)
	if r.Position != 0 {
		text += fmt.Sprintf(" at position %d", r.Position)
	}
	if r.Duplicate {
		text += ", duplicate"
	}
	return text
}

func tellHead(h eventstore.Head) string {
	text := fmt.Sprintf("head %d, first %d", h.Version, h.First)
	if h.Deleted {
		text += ", deleted"
	}
	if h.Tombstoned {
		text += ", tombstoned"
	}
	return text
}

// differs says in words how an event as it was read differs from what was
// appended, or returns "".
func differs(got, want eventstore.Event) string {
	var words []string
	say := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if got.ID != want.ID {
		say("ID is %s, not %s", tellID(got.ID), tellID(want.ID))
	}
	if got.Type != want.Type {
		say("Type is %.60q, not %.60q", got.Type, want.Type)
	}
	if got.SchemaVersion != max(want.SchemaVersion, 1) {
		say("SchemaVersion is %d, not %d", got.SchemaVersion, max(want.SchemaVersion, 1))
	}
	if !bytes.Equal(got.Data, want.Data) {
		say("Data is %s, not %s", tellBytes(got.Data), tellBytes(want.Data))
	}
	g, w := got.Metadata, want.Metadata
	for _, field := range [...]struct{ name, got, want string }{
		{"CorrelationID", g.CorrelationID, w.CorrelationID},
		{"CausationID", g.CausationID, w.CausationID},
		{"Actor", g.Actor, w.Actor},
		{"TraceParent", g.TraceParent, w.TraceParent},
	} {
		if field.got != field.want {
			say("%s is %.60q, not %.60q", field.name, field.got, field.want)
		}
	}
	if !maps.Equal(g.Extra, w.Extra) {
		say("Extra is %.200q, not %.200q", fmt.Sprint(g.Extra), fmt.Sprint(w.Extra))
	}
	return strings.Join(words, ", ")
}

func tellBytes(data []byte) string {
	if len(data) <= 24 {
		return fmt.Sprintf("%q", data)
	}
	return fmt.Sprintf("%d bytes %.20q...", len(data), data)
}
