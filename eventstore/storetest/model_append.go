package storetest

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

func (m *Model) stepAppend(op Append, got Outcome) error {
	results, err := m.append(op)
	if mismatch := compareErrors(got.Err, err); mismatch != nil || err != nil {
		return mismatch
	}
	if len(got.Results) != len(results) {
		return fmt.Errorf("it returned %d results for %d writes", len(got.Results), len(results))
	}
	for i, want := range results {
		if at := got.Results[i].Position; want.Position == 0 && len(op[i].Events) > 0 && at > 0 {
			// Only the store knows it: from now on it has to stay.
			m.streams[op[i].Stream].events[want.Version-1].Position = at
			want.Position = at
		}
		if got.Results[i] != want {
			return fmt.Errorf("for %q it returned %s; it should be %s", op[i].Stream, tellResult(got.Results[i]), tellResult(want))
		}
	}
	return nil
}

// append decides by the documentation of eventstore, not by its Check.
func (m *Model) append(op Append) ([]eventstore.Appended, error) {
	for _, w := range op {
		if len(w.Events) > 0 && m.peek(w.Stream).tombstoned {
			return nil, &eventstore.TombstonedError{Stream: w.Stream}
		}
	}
	results, repeated, overlap := m.repeated(op)
	for i, w := range op {
		s := m.peek(w.Stream)
		switch {
		case len(w.Events) > 0:
		case repeated:
			results[i] = eventstore.Appended{Version: s.version(), Duplicate: true}
		case s.tombstoned && w.Expected != eventstore.Any && w.Expected != eventstore.NoStream:
			return nil, &eventstore.TombstonedError{Stream: w.Stream}
		}
	}
	if repeated || overlap != nil {
		return results, overlap
	}
	for i, w := range op {
		s := m.peek(w.Stream)
		if !s.is(w.Expected) {
			return nil, &eventstore.ConflictError{Stream: w.Stream, Expected: w.Expected, Actual: s.version(), Deleted: s.deleted}
		}
		results[i] = eventstore.Appended{Version: s.version() + int64(len(w.Events))}
	}
	m.write(op)
	return results, nil
}

// repeated tells whether the events of all writes were appended before, and
// with which results.
func (m *Model) repeated(op Append) (results []eventstore.Appended, repeated bool, err error) {
	results = make([]eventstore.Appended, len(op))
	fresh := ""
	for i, w := range op {
		if len(w.Events) == 0 {
			continue
		}
		s := m.peek(w.Stream)
		versions := s.find(w.Events)
		switch present := slices.DeleteFunc(slices.Clone(versions), func(v int64) bool { return v == 0 }); {
		case len(present) == 0 && fresh == "":
			fresh = w.Stream
		case len(present) == 0:
		case len(present) == len(versions) && consecutive(versions):
			repeated = true
			last := s.events[versions[len(versions)-1]-1]
			results[i] = eventstore.Appended{Version: last.Version, Position: last.Position, Duplicate: true}
		default:
			return nil, false, &eventstore.PartialOverlapError{Stream: w.Stream, Present: s.those(w.Events)}
		}
	}
	if repeated && fresh != "" {
		return nil, false, &eventstore.PartialOverlapError{Stream: fresh}
	}
	return results, repeated, nil
}

func (m *Model) write(op Append) {
	for _, w := range op {
		if len(w.Events) == 0 {
			continue
		}
		s := m.stream(w.Stream)
		for _, e := range copyEvents(w.Events) {
			s.events = append(s.events, eventstore.Recorded{Event: e, Stream: w.Stream, Version: s.version() + 1})
		}
		s.deleted = false
	}
}

// find returns the versions of events, 0 for those that are not in the stream.
func (s *modelStream) find(events []eventstore.Event) []int64 {
	versions := make([]int64, len(events))
	for i, e := range events {
		for _, r := range s.events {
			if r.ID == e.ID {
				versions[i] = r.Version
			}
		}
	}
	return versions
}

func (s *modelStream) those(events []eventstore.Event) (present []uuid.UUID) {
	for i, version := range s.find(events) {
		if version > 0 {
			present = append(present, events[i].ID)
		}
	}
	return present
}

func consecutive(versions []int64) bool {
	for i, v := range versions {
		if v != versions[0]+int64(i) {
			return false
		}
	}
	return true
}
