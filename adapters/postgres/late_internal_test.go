package postgres

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// Every statement that appends may get its transaction id first, and its
// stream only after others have appended to it. Readers who know those get its
// event nevertheless, and after those.
func TestEveryStatementMayBeLate(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool, err := pgxpool.New(ctx, testenv.Postgres(t))
	assert.NoError(t, err)
	t.Cleanup(pool.Close)
	s, err := OpenEventStore(ctx, pool, EventStoreConfig{})
	assert.NoError(t, err)
	event := func() eventstore.Event {
		return eventstore.Event{ID: uuid.New(), Type: "Happened", SchemaVersion: 1}
	}
	read := func(after eventstore.Checkpoint) (versions []int64, next eventstore.Checkpoint) {
		t.Helper()
		for page := (eventstore.Page{}); !page.End; {
			page, err = s.ReadAll(ctx, eventstore.AllRange{After: after, AllTenants: true, Max: 1})
			assert.NoError(t, err)
			for _, e := range page.Events {
				versions = append(versions, e.Version)
			}
			after = page.Next
		}
		return versions, after
	}
	for kind := range appendKinds {
		for _, many := range []bool{false, true} {
			name := fmt.Sprintf("kind %d, many %t", kind, many)
			stream := fmt.Sprintf("late%d-%t", kind, many)
			_, before := read(eventstore.Checkpoint{})
			tx, err := pool.Begin(ctx)
			assert.NoError(t, err)
			_, err = tx.Exec(ctx, "SELECT pg_current_xact_id()")
			assert.NoError(t, err)
			results := make([]eventstore.Appended, 1)
			assert.NoError(t, s.Append(ctx, []eventstore.Write{
				{Stream: stream, Expected: eventstore.Any, Events: []eventstore.Event{event(), event()}},
			}, results))
			expected := [...]eventstore.Expected{eventstore.Any, eventstore.NoStream, eventstore.Exact(2)}[kind]
			if kind == appendNew { // which reopens
				_, err := pool.Exec(ctx, "UPDATE parlance.streams SET state = 1 WHERE stream = $1", stream)
				assert.NoError(t, err)
			}
			_, between := read(eventstore.Checkpoint{})

			late := eventstore.Write{Stream: stream, Expected: expected, Events: []eventstore.Event{event()}}
			assert.Equal(t, appendAs(t, s, tx, kind, many, late), int64(3), "%s: its version", name)
			_, running := read(eventstore.Checkpoint{})
			assert.NoError(t, tx.Commit(ctx))
			var isLate bool
			assert.NoError(t, pool.QueryRow(ctx,
				"SELECT ord <> xid FROM parlance.events WHERE stream = $1 AND version = 3", stream).Scan(&isLate))
			assert.True(t, isLate, "%s: the event is late", name)
			versions, _ := read(before)
			assert.Equal(t, versions, []int64{1, 2, 3}, "%s: read from before", name)
			for _, after := range []eventstore.Checkpoint{between, running} {
				versions, _ := read(after)
				assert.Equal(t, versions, []int64{3}, "%s: read from %q", name, after)
			}
		}
	}
}

// appendAs appends by the statement of a kind, for one or for several, in a
// transaction that has its id. It returns the version of the event.
func appendAs(t *testing.T, s *EventStore, tx pgx.Tx, kind appendKind, many bool, w eventstore.Write) (version int64) {
	t.Helper()
	e, err := s.epochOf(t.Context(), tx.Conn(), s.pool)
	assert.NoError(t, err)
	row := func(values []int64) error {
		version = values[len(values)-2]
		return nil
	}
	if many {
		args, _, err := groupArgs(e.base, []*pending{{write: w}})
		assert.NoError(t, err)
		assert.NoError(t, s.sql.appendMany[kind].query(t.Context(), tx.Conn(), args, row))
		return version
	}
	event := &w.Events[0]
	args := [][]byte{
		wireInt8(e.base), []byte(w.Tenant), []byte(w.Stream), event.ID[:], wireInt4(1), []byte(event.Type), {}, nil, nil, nil, nil, nil,
	}
	if kind == appendExisting {
		low, high := bounds(w.Expected)
		args = append(args, wireInt8(low), wireInt8(high))
	}
	assert.NoError(t, s.sql.appendOne[kind].query(t.Context(), tx.Conn(), args, row))
	return version
}
