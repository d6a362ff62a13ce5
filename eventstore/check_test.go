package eventstore_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// num makes IDs that are easy to read in a table.
func num(n byte) uuid.UUID { return uuid.UUID{15: n} }

func events(ids ...byte) []eventstore.Event {
	made := make([]eventstore.Event, len(ids))
	for i, id := range ids {
		made[i] = eventstore.Event{ID: num(id), Type: "T", SchemaVersion: 1}
	}
	return made
}

// The streams of the table: what a driver would know of them.
var (
	absent     = stream{head: eventstore.Head{First: 1}}
	present    = stream{head: eventstore.Head{Version: 3, First: 1}, ids: []byte{1, 2, 3}}
	truncated  = stream{head: eventstore.Head{Version: 3, First: 4}, ids: []byte{1, 2, 3}}
	deleted    = stream{head: eventstore.Head{Version: 3, First: 4, Deleted: true}, ids: []byte{1, 2, 3}}
	tombstoned = stream{head: eventstore.Head{Version: 3, First: 4, Tombstoned: true}, ids: []byte{1, 2, 3}}
	closed     = stream{head: eventstore.Head{First: 1, Tombstoned: true}} // before its first event
)

type stream struct {
	head eventstore.Head
	ids  []byte // of version 1, 2, 3...; version n is at position 10n
}

func (s stream) find(id uuid.UUID) (eventstore.Found, bool) {
	for i, n := range s.ids {
		if id == num(n) {
			return eventstore.Found{Version: int64(i) + 1, Position: 10 * (int64(i) + 1)}, true
		}
	}
	return eventstore.Found{}, false
}

type write struct {
	stream   stream
	expected eventstore.Expected
	ids      []byte
}

func check(writes ...write) ([]eventstore.Appended, bool, error) {
	args := make([]eventstore.Write, len(writes))
	for i, w := range writes {
		args[i] = eventstore.Write{Stream: string(rune('a' + i)), Expected: w.expected, Events: events(w.ids...)}
	}
	results := make([]eventstore.Appended, len(writes))
	duplicate, err := eventstore.Check(args, results,
		func(i int) eventstore.Head { return writes[i].stream.head },
		func(i int, id uuid.UUID) (eventstore.Found, bool) { return writes[i].stream.find(id) },
	)
	return results, duplicate, err
}

const (
	yes        = "yes"
	conflict   = "conflict"
	tombstone  = "tombstoned"
	overlap    = "overlap"
	duplicated = "duplicate"
)

func word(duplicate bool, err error) string {
	switch {
	case errors.Is(err, eventstore.ErrConflict):
		return conflict
	case errors.Is(err, eventstore.ErrTombstoned):
		return tombstone
	case errors.Is(err, eventstore.ErrPartialOverlap):
		return overlap
	case err != nil:
		return err.Error()
	case duplicate:
		return duplicated
	default:
		return yes
	}
}

func TestCheckOfOneStream(t *testing.T) {
	streams := []struct {
		name   string
		stream stream
	}{
		{"absent", absent},
		{"present", present},
		{"truncated", truncated},
		{"deleted", deleted},
		{"tombstoned", tombstoned},
		{"closed", closed},
	}
	expecteds := map[string]eventstore.Expected{
		"any": eventstore.Any, "none": eventstore.NoStream, "exists": eventstore.StreamExists,
		"2": eventstore.Exact(2), "3": eventstore.Exact(3), "4": eventstore.Exact(4),
	}
	tests := []struct {
		appended string
		ids      []byte
		expected string
		want     [6]string // for the streams above
	}{
		//                              absent      present     truncated   deleted     tombstoned  closed
		{"new", []byte{8, 9}, "any", [6]string{yes, yes, yes, yes, tombstone, tombstone}},
		{"new", []byte{8, 9}, "none", [6]string{yes, conflict, conflict, yes, tombstone, tombstone}},
		{"new", []byte{8, 9}, "exists", [6]string{conflict, yes, yes, conflict, tombstone, tombstone}},
		{"new", []byte{8, 9}, "2", [6]string{conflict, conflict, conflict, conflict, tombstone, tombstone}},
		{"new", []byte{8, 9}, "3", [6]string{conflict, yes, yes, yes, tombstone, tombstone}},
		{"new", []byte{8, 9}, "4", [6]string{conflict, conflict, conflict, conflict, tombstone, tombstone}},

		{"nothing", nil, "any", [6]string{yes, yes, yes, yes, yes, yes}},
		{"nothing", nil, "none", [6]string{yes, conflict, conflict, yes, yes, yes}},
		{"nothing", nil, "exists", [6]string{conflict, yes, yes, conflict, tombstone, tombstone}},
		{"nothing", nil, "2", [6]string{conflict, conflict, conflict, conflict, tombstone, tombstone}},
		{"nothing", nil, "3", [6]string{conflict, yes, yes, yes, tombstone, tombstone}},
		{"nothing", nil, "4", [6]string{conflict, conflict, conflict, conflict, tombstone, tombstone}},

		{"all again", []byte{1, 2, 3}, "any", [6]string{yes, duplicated, duplicated, duplicated, tombstone, tombstone}},
		{"all again", []byte{1, 2, 3}, "none", [6]string{yes, duplicated, duplicated, duplicated, tombstone, tombstone}},
		{"all again", []byte{1, 2, 3}, "exists", [6]string{conflict, duplicated, duplicated, duplicated, tombstone, tombstone}},
		{"all again", []byte{1, 2, 3}, "4", [6]string{conflict, duplicated, duplicated, duplicated, tombstone, tombstone}},
		{"some again", []byte{2, 3}, "none", [6]string{yes, duplicated, duplicated, duplicated, tombstone, tombstone}},
		{"one again", []byte{1}, "none", [6]string{yes, duplicated, duplicated, duplicated, tombstone, tombstone}},

		{"old, then new", []byte{3, 9}, "any", [6]string{yes, overlap, overlap, overlap, tombstone, tombstone}},
		{"new, then old", []byte{9, 1}, "any", [6]string{yes, overlap, overlap, overlap, tombstone, tombstone}},
		{"old in another order", []byte{2, 1}, "any", [6]string{yes, overlap, overlap, overlap, tombstone, tombstone}},
		{"old with a gap", []byte{1, 3}, "any", [6]string{yes, overlap, overlap, overlap, tombstone, tombstone}},
		{"overlap before conflict", []byte{3, 9}, "2", [6]string{conflict, overlap, overlap, overlap, tombstone, tombstone}},
	}
	for _, test := range tests {
		for i, s := range streams {
			results, duplicate, err := check(write{s.stream, expecteds[test.expected], test.ids})
			got := word(duplicate, err)
			assert.Equal(t, got, test.want[i], "%s to a stream that is %s, expected %s", test.appended, s.name, test.expected)
			switch got {
			case yes:
				want := eventstore.Appended{Version: s.stream.head.Version + int64(len(test.ids))}
				assert.Equal(t, results[0], want, "%s to a stream that is %s", test.appended, s.name)
			case duplicated:
				last := int64(test.ids[len(test.ids)-1])
				want := eventstore.Appended{Version: last, Position: 10 * last, Duplicate: true}
				assert.Equal(t, results[0], want, "%s to a stream that is %s", test.appended, s.name)
			}
		}
	}
}

func TestCheckOfSeveralStreams(t *testing.T) {
	tests := []struct {
		name    string
		writes  []write
		want    string
		results []eventstore.Appended
	}{
		{
			"both new",
			[]write{{absent, eventstore.NoStream, []byte{8}}, {present, eventstore.Any, []byte{8}}},
			yes,
			[]eventstore.Appended{{Version: 1}, {Version: 4}},
		},
		{"one as expected, one not", []write{{absent, eventstore.NoStream, []byte{8}}, {present, eventstore.NoStream, []byte{8}}}, conflict, nil},
		{
			"condition that holds",
			[]write{{absent, eventstore.NoStream, []byte{8}}, {present, eventstore.Exact(3), nil}},
			yes,
			[]eventstore.Appended{{Version: 1}, {Version: 3}},
		},
		{"condition that does not", []write{{absent, eventstore.NoStream, []byte{8}}, {present, eventstore.NoStream, nil}}, conflict, nil},
		{
			"both again",
			[]write{{present, eventstore.NoStream, []byte{1}}, {deleted, eventstore.NoStream, []byte{2, 3}}},
			duplicated,
			[]eventstore.Appended{{Version: 1, Position: 10, Duplicate: true}, {Version: 3, Position: 30, Duplicate: true}},
		},
		{
			"again, with a condition that no longer holds",
			[]write{{present, eventstore.NoStream, []byte{1}}, {deleted, eventstore.Exact(1), nil}},
			duplicated,
			[]eventstore.Appended{{Version: 1, Position: 10, Duplicate: true}, {Version: 3, Duplicate: true}},
		},
		{
			"again, with a condition on a stream that was tombstoned since",
			[]write{{present, eventstore.NoStream, []byte{1}}, {tombstoned, eventstore.Exact(2), nil}},
			duplicated,
			[]eventstore.Appended{{Version: 1, Position: 10, Duplicate: true}, {Version: 3, Duplicate: true}},
		},
		{"tombstoned condition before overlap", []write{{present, eventstore.Any, []byte{1, 9}}, {tombstoned, eventstore.Exact(3), nil}}, tombstone, nil},
		{"tombstoned condition before conflict", []write{{present, eventstore.NoStream, []byte{8}}, {tombstoned, eventstore.Exact(3), nil}}, tombstone, nil},
		{"one again, one new", []write{{present, eventstore.Any, []byte{1}}, {absent, eventstore.Any, []byte{8}}}, overlap, nil},
		{"one new, one again", []write{{absent, eventstore.Any, []byte{8}}, {present, eventstore.Any, []byte{1}}}, overlap, nil},
		{"tombstone before overlap", []write{{present, eventstore.Any, []byte{1, 9}}, {closed, eventstore.Any, []byte{8}}}, tombstone, nil},
		{"overlap before conflict", []write{{present, eventstore.NoStream, []byte{8}}, {present, eventstore.Any, []byte{1, 9}}}, overlap, nil},
	}
	for _, test := range tests {
		results, duplicate, err := check(test.writes...)
		assert.Equal(t, word(duplicate, err), test.want, test.name)
		if test.results != nil {
			assert.Equal(t, results, test.results, test.name)
		}
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	_, _, err := check(write{absent, eventstore.Any, []byte{8}}, write{deleted, eventstore.Exact(2), []byte{9}})
	assert.Equal(t, *assert.ErrorAs[*eventstore.ConflictError](t, err),
		eventstore.ConflictError{Stream: "b", Expected: eventstore.Exact(2), Actual: 3, Deleted: true})

	_, _, err = check(write{absent, eventstore.Any, []byte{8}}, write{tombstoned, eventstore.Any, []byte{9}})
	assert.Equal(t, *assert.ErrorAs[*eventstore.TombstonedError](t, err), eventstore.TombstonedError{Stream: "b"})

	_, _, err = check(write{present, eventstore.Any, []byte{9, 3, 1}})
	assert.Equal(t, *assert.ErrorAs[*eventstore.PartialOverlapError](t, err),
		eventstore.PartialOverlapError{Stream: "a", Present: []uuid.UUID{num(3), num(1)}})

	_, _, err = check(write{present, eventstore.Any, []byte{1}}, write{absent, eventstore.Any, []byte{8}})
	assert.Equal(t, *assert.ErrorAs[*eventstore.PartialOverlapError](t, err), eventstore.PartialOverlapError{Stream: "b"})
}

func TestCheckErasure(t *testing.T) {
	const noStream, invalid = "no stream", "invalid"
	head := func(version, first int64, deleted, tombstoned bool) eventstore.Head {
		return eventstore.Head{Version: version, First: first, Deleted: deleted, Tombstoned: tombstoned}
	}
	truncate := func(before int64) eventstore.Erasure {
		return eventstore.Erasure{Kind: eventstore.Truncate, Expected: eventstore.Any, Before: before}
	}
	erasure := func(kind eventstore.ErasureKind, expected eventstore.Expected) eventstore.Erasure {
		return eventstore.Erasure{Kind: kind, Expected: expected}
	}
	const del, tomb = eventstore.Delete, eventstore.Tombstone
	tests := []struct {
		name    string
		erasure eventstore.Erasure
		before  eventstore.Head
		want    string
		after   eventstore.Head
	}{
		{"truncate absent", truncate(1), absent.head, noStream, head(0, 1, false, false)},
		{"truncate nothing", truncate(1), present.head, yes, head(3, 1, false, false)},
		{"truncate some", truncate(3), present.head, yes, head(3, 3, false, false)},
		{"truncate all", truncate(4), present.head, yes, head(3, 4, false, false)},
		{"truncate more than all", truncate(5), present.head, invalid, head(3, 1, false, false)},
		{"truncate before 0", truncate(0), present.head, invalid, head(3, 1, false, false)},
		{"truncate less than last time", truncate(2), head(3, 3, false, false), yes, head(3, 3, false, false)},
		{"truncate deleted", truncate(2), deleted.head, yes, head(3, 4, true, false)},
		{"truncate tombstoned", truncate(2), tombstoned.head, tombstone, head(3, 4, false, true)},

		{"delete absent", erasure(del, eventstore.Any), absent.head, noStream, head(0, 1, false, false)},
		{"delete absent that has to exist", erasure(del, eventstore.StreamExists), absent.head, conflict, head(0, 1, false, false)},
		{"delete present", erasure(del, eventstore.Any), present.head, yes, head(3, 4, true, false)},
		{"delete as expected", erasure(del, eventstore.Exact(3)), present.head, yes, head(3, 4, true, false)},
		{"delete not as expected", erasure(del, eventstore.Exact(2)), present.head, conflict, head(3, 1, false, false)},
		{"delete deleted", erasure(del, eventstore.Any), deleted.head, yes, head(3, 4, true, false)},
		{"delete deleted that has to exist", erasure(del, eventstore.StreamExists), deleted.head, conflict, head(3, 4, true, false)},
		{"delete tombstoned", erasure(del, eventstore.Any), tombstoned.head, tombstone, head(3, 4, false, true)},

		{"tombstone absent", erasure(tomb, eventstore.Any), absent.head, yes, head(0, 1, false, true)},
		{"tombstone present", erasure(tomb, eventstore.StreamExists), present.head, yes, head(3, 4, false, true)},
		{"tombstone not as expected", erasure(tomb, eventstore.NoStream), present.head, conflict, head(3, 1, false, false)},
		{"tombstone deleted", erasure(tomb, eventstore.NoStream), deleted.head, yes, head(3, 4, false, true)},
		{"tombstone tombstoned", erasure(tomb, eventstore.Exact(7)), tombstoned.head, yes, head(3, 4, false, true)},

		{"no kind", erasure(0, eventstore.Any), present.head, invalid, head(3, 1, false, false)},
	}
	for _, test := range tests {
		test.erasure.Stream = "a"
		after, err := eventstore.CheckErasure(test.erasure, test.before)
		got := word(false, err)
		switch {
		case errors.Is(err, eventstore.ErrNoStream):
			got = noStream
		case errors.Is(err, eventstore.ErrInvalid):
			got = invalid
		}
		assert.Equal(t, got, test.want, test.name)
		assert.Equal(t, after, test.after, test.name)
	}
	_, err := eventstore.CheckErasure(eventstore.Erasure{Stream: "a", Kind: eventstore.Truncate, Expected: eventstore.Any, Before: 9}, present.head)
	assert.Equal(t, err.Error(), `stream "a": truncate before version 9: want 1 to 4`)
}
