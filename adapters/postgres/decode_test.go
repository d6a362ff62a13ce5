package postgres_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// rich are events with all that an event can hold.
func rich() []eventstore.Event {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	return []eventstore.Event{
		{ID: uuid.New(), Type: "Plain"},
		{ID: uuid.New(), Type: "Empty", Data: []byte{}, SchemaVersion: 1<<31 - 1},
		{
			ID: uuid.New(), Type: "Full", SchemaVersion: 7, Data: every,
			Metadata: eventstore.Metadata{
				CorrelationID: "c", CausationID: "k", Actor: "a", TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
				Extra: map[string]string{"": "", "k": "v", "null": "null"},
			},
		},
		{
			ID: uuid.New(), Type: `%s ' " \ $1 {schema} NULL`, Data: []byte(`{"a,b}\x00`),
			Metadata: eventstore.Metadata{
				CorrelationID: `'; DROP TABLE parlance.events; --`, CausationID: `{NULL,"",\\}`, Actor: "\U0001f418 \u202e\u00e9e\u0301\ufeff",
				TraceParent: "tab\tline\nreturn\r", Extra: map[string]string{"\U0001f600\u2028": "\u0001</script>&\"\\ \U0010ffff", "%": "NULL"},
			},
		},
		{ID: uuid.New(), Type: "Zeros", Data: make([]byte, 10_000)},
		{ID: uuid.New(), Type: "NULL", Metadata: eventstore.Metadata{Actor: "NULL", CausationID: `""`}},
		{ID: uuid.New(), Type: strings.Repeat("t", 255), Data: bytes.Repeat([]byte{0xff}, 9_000), Metadata: eventstore.Metadata{
			Actor: strings.Repeat("\U0001f418", 63), Extra: map[string]string{strings.Repeat("k", 255): strings.Repeat("v", 8<<10)},
		}},
	}
}

// content is what must come back of an event, in a form that can be compared.
func content(e eventstore.Event) string {
	e.SchemaVersion = max(e.SchemaVersion, 1)
	return fmt.Sprintf("%s %q %d %x %+q", e.ID, e.Type, e.SchemaVersion, e.Data, fmt.Sprintf("%+v", e.Metadata))
}

func contents(events []eventstore.Recorded, withTime bool) (all []string) {
	for _, e := range events {
		one := fmt.Sprintf("%q/%d at %d: %s", e.Stream, e.Version, e.Position, content(e.Event))
		if withTime {
			one += fmt.Sprintf(" %v %d", e.Time, len(e.Metadata.Extra))
		}
		all = append(all, one)
	}
	return all
}

// modes of a pool; what they differ in for us is the format of results.
var modes = []pgx.QueryExecMode{
	pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
	pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
}

func modePool(t *testing.T, url string, mode pgx.QueryExecMode) *pgxpool.Pool {
	t.Helper()
	settings, err := pgxpool.ParseConfig(url)
	assert.NoError(t, err)
	settings.ConnConfig.DefaultQueryExecMode = mode
	settings.MaxConns = 3
	pool, err := pgxpool.NewWithConfig(t.Context(), settings)
	assert.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// All of the store works alike in whichever mode the pool queries, and reads
// the same.
func TestModesOfThePool(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := testenv.Postgres(t)
	plain := openDatabase(t, url, postgres.EventStoreConfig{})
	var stores []*eventstore.Store
	for _, mode := range modes {
		driver, err := postgres.OpenEventStore(ctx, modePool(t, url, mode), postgres.EventStoreConfig{})
		assert.NoError(t, err, "%v", mode)
		store := eventstore.New(driver, eventstore.Config{})
		stores = append(stores, store)
		stream := fmt.Sprintf(`it's "%%" \ $1 {schema} %v-`+"\U0001f418", mode)
		events := rich()
		_, err = store.Append(ctx, stream, eventstore.NoStream, events...)
		assert.NoError(t, err, "%v", mode)
		again, err := store.Append(ctx, stream, eventstore.NoStream, events...)
		assert.NoError(t, err)
		assert.True(t, again.Duplicate && again.Version == int64(len(events)), "%v: %+v", mode, again)
		for i, e := range rich() { // alone, by the other statement
			_, err = store.Append(ctx, stream, eventstore.Exact(int64(len(events)+i)), e)
			assert.NoError(t, err)
		}
		_, err = store.Append(ctx, stream, eventstore.Exact(1), some(1)...)
		assert.ErrorIs(t, err, eventstore.ErrConflict)
		erased := "erased " + stream
		_, err = store.AppendAll(ctx, eventstore.Write{Stream: erased, Events: rich()},
			eventstore.Write{Stream: stream, Expected: eventstore.StreamExists, Events: rich()[:3]})
		assert.NoError(t, err)
		assert.NoError(t, store.Truncate(ctx, erased, 3))

		var got []eventstore.Recorded
		for e, err := range store.Read(ctx, stream, 1) {
			assert.NoError(t, err)
			got = append(got, e)
		}
		assert.Equal(t, len(got), 2*len(events)+3, "%v", mode)
		for i, e := range events {
			assert.Equal(t, content(got[i].Event), content(e), "%v: event %d", mode, i)
		}
		var backwards []eventstore.Recorded
		for e, err := range store.ReadBackwards(ctx, erased, eventstore.End) {
			assert.NoError(t, err)
			backwards = append(backwards, e)
		}
		assert.Equal(t, len(backwards), len(events)-2, "%v", mode)
	}

	open := begin(t, plain) // so that readers have late events to look for
	add(t, open, "late-1", 2)
	middle, err := plain.ReadAll(ctx, everything(0))
	assert.NoError(t, err)
	add(t, plain, "early-1", 2)
	assert.NoError(t, open.Commit(ctx))
	filter := eventstore.Filter{Types: []string{"Full", `%s ' " \ $1 {schema} NULL`, "Happened"}}
	for _, from := range []eventstore.Checkpoint{{}, middle.Next} {
		for _, filter := range []eventstore.Filter{{}, filter} {
			var want []string
			for i, store := range append([]*eventstore.Store{eventstore.New(plain, eventstore.Config{})}, stores...) {
				var got []eventstore.Recorded
				for e, err := range store.ReadAll(ctx, from, filter) {
					assert.NoError(t, err)
					got = append(got, e)
				}
				count, err := store.Count(ctx, from, filter)
				assert.NoError(t, err)
				assert.Equal(t, count, int64(len(got)))
				if i == 0 {
					want = contents(got, true)
					assert.True(t, len(want) > 0, "there is something to read")
				}
				assert.Equal(t, contents(got, true), want, "%v", modes[max(i-1, 0)])
			}
		}
	}
}

// Sizes at which statements and pages change their ways.
func TestLargeAppends(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store := eventstore.New(newDatabase(t), eventstore.Config{})
	many := some(10_000)
	result, err := store.Append(ctx, "many-1", eventstore.NoStream, many...)
	assert.NoError(t, err)
	assert.Equal(t, result.Version, int64(10_000))
	again, err := store.Append(ctx, "many-1", eventstore.NoStream, many...)
	assert.NoError(t, err)
	assert.True(t, again.Duplicate && again.Position == result.Position, "%+v after %+v", again, result)

	heavy := some(12)
	for i := range heavy {
		heavy[i].Data = bytes.Repeat([]byte{byte(i)}, 1<<20)
	}
	_, err = store.AppendAll(ctx, eventstore.Write{Stream: "heavy-1", Events: heavy[:10]}, eventstore.Write{Stream: "heavy-2", Events: heavy[10:]})
	assert.NoError(t, err)
	heavy[0].Data = append(heavy[0].Data, 0)
	_, err = store.Append(ctx, "heavy-3", eventstore.Any, heavy[0])
	assert.ErrorIs(t, err, eventstore.ErrInvalid)

	n, last, position := 0, make(map[string]int64), int64(0)
	for e, err := range store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
		assert.NoError(t, err)
		if e.Stream == "many-1" {
			assert.Equal(t, e.ID, many[n].ID)
		} else {
			assert.True(t, bytes.Equal(e.Data, bytes.Repeat([]byte{byte(n - 10_000)}, 1<<20)), "event %d of %s", e.Version, e.Stream)
		}
		assert.True(t, e.Version == last[e.Stream]+1 && e.Position > position, "%s/%d at %d", e.Stream, e.Version, e.Position)
		last[e.Stream], position = e.Version, e.Position
		n++
	}
	assert.Equal(t, n, 10_012)
}
