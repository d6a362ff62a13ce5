package eventstore

import "github.com/google/uuid"

// Found is where a stream holds an event ID.
type Found struct{ Version, Position int64 }

// Check decides for drivers whether writes may be done. Both heads and find are
// asked about the stream of writes[i]; heads returns its head, and find where
// it holds an ID, erased events included. Neither is kept.
//
// Check fills in results. If it returns true, the events were all appended
// before and nothing is to be written; what was expected then is not asked
// again of streams that are only checked. If it returns false and no error, the
// driver appends the events of writes[i] to end at results[i].Version, and sets
// results[i].Position. It returns, in this order of precedence:
// *TombstonedError, *PartialOverlapError, *ConflictError.
func Check(
	writes []Write,
	results []Appended,
	heads func(i int) Head,
	find func(i int, id uuid.UUID) (Found, bool),
) (duplicate bool, err error) {
	for i := range writes {
		if len(writes[i].Events) > 0 && heads(i).Tombstoned {
			return false, &TombstonedError{Stream: writes[i].Stream}
		}
	}
	duplicate, overlap := repeated(writes, results, find)
	for i := range writes {
		if len(writes[i].Events) > 0 {
			continue
		}
		head := heads(i)
		if duplicate {
			results[i] = Appended{Version: head.Version, Duplicate: true}
		} else if head.Tombstoned && !writes[i].Expected.holds(head) {
			return false, &TombstonedError{Stream: writes[i].Stream}
		}
	}
	if duplicate || overlap != nil {
		return duplicate, overlap
	}
	for i := range writes {
		head := heads(i)
		if !writes[i].Expected.holds(head) {
			return false, &ConflictError{
				Stream: writes[i].Stream, Expected: writes[i].Expected,
				Actual: head.Version, Deleted: head.Deleted,
			}
		}
		results[i] = Appended{Version: head.Version + int64(len(writes[i].Events))}
	}
	return false, nil
}

// repeated tells whether all events were appended before, and fills in the
// results of that time. The error is a *PartialOverlapError.
func repeated(writes []Write, results []Appended, find func(int, uuid.UUID) (Found, bool)) (bool, error) {
	duplicates, fresh := 0, -1
	for i := range writes {
		if len(writes[i].Events) == 0 {
			continue
		}
		first, all, err := earlier(writes, i, find)
		switch {
		case err != nil:
			return false, err
		case all:
			results[i] = first
			duplicates++
		case fresh < 0:
			fresh = i
		}
	}
	if duplicates > 0 && fresh >= 0 {
		return false, &PartialOverlapError{Stream: writes[fresh].Stream}
	}
	return duplicates > 0, nil
}

// earlier returns the result of the append that first made the events of
// writes[i], if there was one.
func earlier(writes []Write, i int, find func(int, uuid.UUID) (Found, bool)) (Appended, bool, error) {
	events := writes[i].Events
	start, found := find(i, events[0].ID)
	last := start
	intact := found
	for n := 1; n < len(events); n++ {
		at, ok := find(i, events[n].ID)
		if ok != found || ok && at.Version != start.Version+int64(n) {
			intact = false
			found = found || ok
		}
		last = at
	}
	switch {
	case intact:
		return Appended{Version: last.Version, Position: last.Position, Duplicate: true}, true, nil
	case !found:
		return Appended{}, false, nil
	}
	overlap := &PartialOverlapError{Stream: writes[i].Stream}
	for n := range events {
		if _, ok := find(i, events[n].ID); ok {
			overlap.Present = append(overlap.Present, events[n].ID)
		}
	}
	return Appended{}, false, overlap
}

// CheckErasure decides for drivers whether an erasure may be done, and returns
// the head that the stream has after it. Events before its First are to be
// removed.
func CheckErasure(e Erasure, head Head) (Head, error) {
	if head.Tombstoned {
		if e.Kind == Tombstone {
			return head, nil
		}
		return head, &TombstonedError{Stream: e.Stream}
	}
	if !e.Expected.holds(head) {
		return head, &ConflictError{
			Stream: e.Stream, Expected: e.Expected,
			Actual: head.Version, Deleted: head.Deleted,
		}
	}
	if head.Version == 0 && e.Kind != Tombstone {
		return head, ErrNoStream
	}
	switch e.Kind {
	case Truncate:
		if e.Before < 1 || e.Before > head.Version+1 {
			return head, invalidf("stream %q: truncate before version %d: want 1 to %d",
				e.Stream, e.Before, head.Version+1)
		}
		head.First = max(head.First, e.Before)
		return head, nil
	case Tombstone:
		head.Deleted, head.Tombstoned = false, true
	case Delete:
		head.Deleted = true
	default:
		return head, invalidf("stream %q: erasure of kind %d", e.Stream, e.Kind)
	}
	head.First = head.Version + 1
	return head, nil
}
