package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/parlance-go/parlance/eventstore"
)

// Verify reads everything that a store holds, forwards, backwards and in the
// reading of all, and says in words where it is not what the Model holds. The
// store must be of a tenant that has the Model's streams only.
func (m *Model) Verify(ctx context.Context, store *eventstore.Store) error {
	for _, name := range m.Streams() {
		if err := m.verifyStream(ctx, store, name); err != nil {
			return err
		}
	}
	return m.verifyAll(ctx, store)
}

func (m *Model) verifyStream(ctx context.Context, store *eventstore.Store, name string) error {
	s := m.streams[name]
	head, err := store.Head(ctx, name)
	if err != nil {
		return fmt.Errorf("the head of %q cannot be read: %w", name, err)
	}
	if head != s.head() {
		return fmt.Errorf("%q has %s; it should be %s", name, tellHead(head), tellHead(s.head()))
	}
	for _, backwards := range []bool{false, true} {
		events := store.Read(ctx, name, 1)
		if backwards {
			events = store.ReadBackwards(ctx, name, eventstore.End)
		}
		got, err := collect(events)
		if s.tombstoned {
			if !errors.Is(err, eventstore.ErrTombstoned) {
				return fmt.Errorf("%q is tombstoned; reading it returned %s, error %w", name, tellRecorded(got), err)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%q cannot be read: %w", name, err)
		}
		want := s.readable()
		if backwards {
			for i := range len(want) / 2 {
				want[i], want[len(want)-1-i] = want[len(want)-1-i], want[i]
			}
		}
		if err := matchRecorded(got, want); err != nil {
			return fmt.Errorf("reading %q, backwards %t: %w", name, backwards, err)
		}
	}
	return nil
}

func (m *Model) verifyAll(ctx context.Context, store *eventstore.Store) error {
	got, err := collect(store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{}))
	if err != nil {
		return fmt.Errorf("all events cannot be read: %w", err)
	}
	byStream := make(map[string][]eventstore.Recorded)
	positions := make(map[int64]bool, len(got))
	for _, r := range got {
		byStream[r.Stream] = append(byStream[r.Stream], r)
		if positions[r.Position] || r.Position <= 0 {
			return fmt.Errorf("reading all: %s has position %d, which is not above 0 or stands twice", tellPlace(r), r.Position)
		}
		positions[r.Position] = true
	}
	for _, name := range m.Streams() {
		if err := matchRecorded(byStream[name], m.streams[name].readable()); err != nil {
			return fmt.Errorf("reading all, of %q: %w", name, err)
		}
		delete(byStream, name)
	}
	for _, events := range byStream {
		return fmt.Errorf("reading all returned events of a stream that was never appended to: %s", tellPlace(events[0]))
	}
	count, err := store.Count(ctx, eventstore.Checkpoint{}, eventstore.Filter{})
	if errors.Is(err, eventstore.ErrUnsupported) {
		return nil
	}
	if err != nil || count != int64(len(got)) {
		return fmt.Errorf("reading all returned %d events, but Count %d, error %w", len(got), count, err)
	}
	return nil
}

// matchRecorded compares what was read with what should have been. It notes
// the positions and times that only the store knows, so that they stay.
func matchRecorded(got []eventstore.Recorded, want []*eventstore.Recorded) error {
	if len(got) != len(want) {
		words := "no events"
		if len(want) > 0 {
			words = tellMany(len(want), " ", func(i int) string {
				return fmt.Sprintf("%d=%s", want[i].Version, tellID(want[i].ID))
			})
		}
		return fmt.Errorf("%s were returned; it should be %s", tellRecorded(got), words)
	}
	for i := range got {
		g, w := &got[i], want[i]
		if g.Stream != w.Stream || g.Version != w.Version {
			return fmt.Errorf("event %d is %s; it should be %s", i, tellPlace(*g), tellPlace(*w))
		}
		if difference := differs(g.Event, w.Event); difference != "" {
			return fmt.Errorf("%s: %s", tellPlace(*g), difference)
		}
		if w.Position == 0 {
			w.Position = g.Position
		}
		if w.Time.IsZero() {
			w.Time = g.Time
		}
		if g.Position != w.Position || g.Position <= 0 {
			return fmt.Errorf("%s: Position is %d; it was %d before", tellPlace(*g), g.Position, w.Position)
		}
		if !g.Time.Equal(w.Time) || g.Time.IsZero() {
			return fmt.Errorf("%s: Time is %v; it was %v before", tellPlace(*g), g.Time, w.Time)
		}
	}
	return nil
}

// compareErrors says how an error is not the one it should be.
func compareErrors(got, want error) error {
	if want == nil {
		if got != nil {
			return fmt.Errorf("it should have been done, but returned: %w", got)
		}
		return nil
	}
	switch {
	case sameError(got, want):
		return nil
	case got == nil:
		return fmt.Errorf("it was done, but should have been refused: %w", want)
	default:
		return fmt.Errorf("it was refused with %w, but should have been with: %w", got, want)
	}
}

func sameError(got, want error) bool {
	if w, ok := errors.AsType[*eventstore.ConflictError](want); ok {
		g, ok := errors.AsType[*eventstore.ConflictError](got)
		return ok && *g == *w
	}
	if w, ok := errors.AsType[*eventstore.TombstonedError](want); ok {
		g, ok := errors.AsType[*eventstore.TombstonedError](got)
		return ok && *g == *w
	}
	if w, ok := errors.AsType[*eventstore.PartialOverlapError](want); ok {
		g, ok := errors.AsType[*eventstore.PartialOverlapError](got)
		return ok && g.Stream == w.Stream && slices.Equal(g.Present, w.Present)
	}
	return errors.Is(got, want)
}
