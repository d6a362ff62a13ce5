package aggregate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

// earlier looks in a stream for the events of a command that was handled
// before. A command without an ID has none, and a nil *earlier.
type earlier[E any] struct {
	command, tenant, stream string

	next   uuid.UUID // the ID that its next event would have
	events []E       // those that were seen
	found  bool
}

func newEarlier[E any](ctx context.Context, tenant, stream string) *earlier[E] {
	id := eventstore.CommandIDFrom(ctx)
	if id == "" {
		return nil
	}
	p := &earlier[E]{command: id, tenant: tenant, stream: stream}
	p.forget()
	return p
}

// namespace keeps the IDs apart from all others of version 5.
var namespace = uuid.MustParse("b6f4a1f7-5d0c-4c0e-9a53-0f6d2f2f7a11")

// id returns the ID of the command's event i: a UUID of version 5 (RFC 9562,
// section 5.5). Neither tenant nor stream can hold a NUL.
func (p *earlier[E]) id(i int) uuid.UUID {
	name := binary.BigEndian.AppendUint64(nil, uint64(i))
	name = append(name, p.tenant...)
	name = append(name, 0)
	name = append(name, p.stream...)
	name = append(name, 0)
	name = append(name, p.command...)
	return uuid.NewSHA1(namespace, name)
}

// see is shown each event that is folded.
func (p *earlier[E]) see(id uuid.UUID, value E) {
	if p == nil || id != p.next {
		return
	}
	p.found = true
	p.events = append(p.events, value)
	p.next = p.id(len(p.events))
}

func (p *earlier[E]) seen() bool { return p != nil && p.found }

// forget makes it ready for the first event of the stream.
func (p *earlier[E]) forget() {
	if p != nil {
		p.found, p.events, p.next = false, nil, p.id(0)
	}
}

// claim gives events the IDs that follow from the command.
func (p *earlier[E]) claim(events []eventstore.Event) {
	if p == nil {
		return
	}
	for i := range events {
		events[i].ID = p.id(i)
	}
}

// search looks for the command's events where nothing was folded: below a
// snapshot, or among erased events. The store remembers every ID, so an append
// that can never take place tells where one is. This costs one round trip, and
// another if the events are there.
func (c *command[S, E]) search(ctx context.Context) error {
	const never = 1 << 62 // a version that no stream reaches
	probe := eventstore.Event{ID: c.earlier.id(0), Type: "probe"}
	first, err := c.Store.Append(ctx, c.stream, eventstore.Exact(never), probe)
	switch {
	case errors.Is(err, eventstore.ErrConflict):
		return nil
	case err != nil:
		return err
	}
	c.earlier.forget()
	c.earlier.found = true
	return c.reread(ctx, first.Version)
}

// reread collects the command's events from a version on.
func (c *command[S, E]) reread(ctx context.Context, version int64) error {
	for event, err := range c.Store.Read(ctx, c.stream, version) {
		if err != nil || event.ID != c.earlier.next {
			return err
		}
		value, err := c.Events.Decode(event.Event)
		if err != nil {
			return fmt.Errorf("version %d: %w", event.Version, err)
		}
		c.earlier.see(event.ID, value)
	}
	return nil
}
