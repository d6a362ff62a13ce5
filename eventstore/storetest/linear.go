package storetest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/parlance-go/parlance/eventstore"
)

// Check tells whether the history, of appends with new event IDs to one stream
// that was present at version head or absent at 0 before, is linearizable: each
// append had its effect at one moment between its start and its end, and
// returned what it must by those before it. The error says in words why not.
//
// Every success tells its place by the version it returns, and every conflict
// the version it saw, so no search is needed: the places must follow each other
// without a gap, fit what was expected, and agree with time.
func (h History) Check(head int64) error {
	moves := make([]move, 0, len(h))
	for _, call := range h {
		m, err := place(call)
		if err != nil {
			return err
		}
		moves = append(moves, m)
	}
	if err := tile(moves, head); err != nil {
		return err
	}
	for _, m := range moves {
		if err := m.fits(); err != nil {
			return err
		}
	}
	return agreeWithTime(moves)
}

// move is a call that took the stream from one version to another, or found it
// at a version and left it there.
type move struct {
	call     *Call
	write    eventstore.Write
	from, to int64
	refused  bool
}

func place(call Call) (move, error) {
	op, ok := call.Op.(Append)
	if !ok || len(op) != 1 {
		return move{}, fmt.Errorf("not an append to one stream: %s", call)
	}
	m := move{call: &call, write: op[0]}
	if err := call.Outcome.Err; err != nil {
		conflict, ok := errors.AsType[*eventstore.ConflictError](err)
		if !ok {
			return move{}, fmt.Errorf("an append to a stream that is open may conflict, but not end with another error: %s", call)
		}
		m.from, m.to, m.refused = conflict.Actual, conflict.Actual, true
		return m, nil
	}
	result := call.Outcome.Results[0]
	if result.Duplicate {
		return move{}, fmt.Errorf("new event IDs are no duplicate: %s", call)
	}
	m.to = result.Version
	m.from = m.to - int64(len(m.write.Events))
	return m, nil
}

// tile checks that the appends fill the versions after head without a gap.
func tile(moves []move, head int64) error {
	reached := map[int64]bool{head: true}
	var writes []move
	for _, m := range moves {
		if m.from != m.to {
			writes = append(writes, m)
		}
	}
	slices.SortFunc(writes, func(a, b move) int { return int(a.to - b.to) })
	before := "the stream began"
	for _, w := range writes {
		switch {
		case w.from < head:
			return fmt.Errorf("two appends were given the same version %d:\n\t%s\n\t%s", w.from+1, before, w.call)
		case w.from > head:
			return fmt.Errorf("nobody was given version %d, between these:\n\t%s\n\t%s", head+1, before, w.call)
		}
		head, before = w.to, w.call.String()
		reached[head] = true
	}
	for _, m := range moves {
		if !reached[m.to] {
			return fmt.Errorf("the stream was never at version %d, but this saw it there: %s", m.to, m.call)
		}
	}
	return nil
}

// fits checks that the outcome is right for the version that it tells.
func (m move) fits() error {
	holds := false
	switch expected := m.write.Expected; expected {
	case eventstore.Any:
		holds = true
	case eventstore.StreamExists:
		holds = m.from > 0
	default:
		version, _ := expected.Version()
		holds = m.from == version
	}
	if holds == m.refused {
		return fmt.Errorf("the stream was at version %d, so this must come to the opposite: %s", m.from, m.call)
	}
	return nil
}

// agreeWithTime checks that no call saw less than one that had ended before it
// began.
func agreeWithTime(moves []move) error {
	byStart, byEnd := slices.Clone(moves), slices.Clone(moves)
	slices.SortFunc(byStart, func(a, b move) int { return int(a.call.Start - b.call.Start) })
	slices.SortFunc(byEnd, func(a, b move) int { return int(a.call.End - b.call.End) })
	var latest *move // of those that have ended, the one that saw most
	for _, m := range byStart {
		for len(byEnd) > 0 && byEnd[0].call.End < m.call.Start {
			if latest == nil || byEnd[0].to > latest.to {
				latest = &byEnd[0]
			}
			byEnd = byEnd[1:]
		}
		if latest != nil && m.from < latest.to {
			return fmt.Errorf("the second call began after the first had ended, and yet found the stream at version %d, "+
				"when the first had seen it at %d:\n\t%s\n\t%s", m.from, latest.to, latest.call, m.call)
		}
	}
	return nil
}
