package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/parlance-go/parlance/eventstore"
)

// EventStore keeps events in a Database; [eventstore.New] makes a Store of it.
// It implements [eventstore.Driver] and [eventstore.Counter].
//
// One process writes at a time, so events become visible in the order of their
// positions, and a checkpoint is a position with the id of the file.
type EventStore struct {
	db    *Database
	id    string
	queue queue
	watch watch

	// On the writer's connection.
	head, find, open, advance, insert *sql.Stmt
	// On the readers'.
	last, forwards, backwards, all, count *sql.Stmt
}

var (
	_ eventstore.Driver  = (*EventStore)(nil)
	_ eventstore.Counter = (*EventStore)(nil)
)

const (
	selectID   = `SELECT id FROM parlance_store`
	selectLast = `SELECT coalesce(max(position), 0) FROM parlance_events`
)

func newEventStore(ctx context.Context, db *Database) (*EventStore, error) {
	s := &EventStore{db: db}
	if err := db.writer.QueryRowContext(ctx, selectID).Scan(&s.id); err != nil {
		return nil, fmt.Errorf("read the id of the store: %w", err)
	}
	for _, p := range []struct {
		to    **sql.Stmt
		on    *sql.DB
		query string
	}{
		{&s.head, db.writer, selectHead},
		{&s.find, db.writer, selectFound},
		{&s.open, db.writer, insertStream},
		{&s.advance, db.writer, updateStream},
		{&s.insert, db.writer, insertEvent},
		{&s.last, db.reader, selectLast},
		{&s.forwards, db.reader, selectForwards},
		{&s.backwards, db.reader, selectBackwards},
		{&s.all, db.reader, selectAll},
		{&s.count, db.reader, countAll},
	} {
		var err error
		if *p.to, err = p.on.PrepareContext(ctx, p.query); err != nil {
			return nil, fmt.Errorf("prepare %.40q: %w", strings.Join(strings.Fields(p.query), " "), err)
		}
	}
	return s, nil
}

// checkpoint covers the events up to a position.
func (s *EventStore) checkpoint(position int64) eventstore.Checkpoint {
	if position == 0 {
		return eventstore.Checkpoint{}
	}
	return eventstore.NewCheckpoint(s.id, position)
}

// visible returns the position that a checkpoint covers, and the last that is
// visible now.
func (s *EventStore) visible(ctx context.Context, after eventstore.Checkpoint) (from, last int64, err error) {
	base, from := after.Parts()
	switch {
	case after.IsZero():
	case base != s.id:
		return 0, 0, fmt.Errorf("%w: %.40q is of another store than %s", eventstore.ErrCheckpoint, after, s.id)
	case from < 1:
		return 0, 0, fmt.Errorf("%w: %.40q", eventstore.ErrCheckpoint, after)
	}
	if last, err = s.lastPosition(ctx); err != nil {
		return 0, 0, err
	}
	if from > last {
		return 0, 0, fmt.Errorf("%w: position %d is beyond the last, %d: was an older copy of the file put back?",
			eventstore.ErrCheckpoint, from, last)
	}
	return from, last, nil
}

func (s *EventStore) lastPosition(ctx context.Context) (last int64, err error) {
	err = s.last.QueryRowContext(ctx).Scan(&last)
	return last, s.db.explain(ctx, err)
}

// Append implements [eventstore.Driver]. Appends that wait for the write lock
// at the same time share one transaction, and so one flush to disk; each of
// them succeeds or fails by itself. An error other than those of
// [eventstore.Check] says whether the outcome is open; ErrBusy and ErrClosed
// mean that nothing was appended.
func (s *EventStore) Append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r, err := newRequest(writes)
	if err != nil {
		return err
	}
	r.deadline = s.db.deadline()
	s.queue.join(r)
	select {
	case lead := <-r.turn:
		if lead {
			s.lead(ctx, r)
		}
	case <-ctx.Done():
		if s.queue.leave(r) {
			return context.Cause(ctx)
		}
		select {
		case <-r.turn:
		default:
			return fmt.Errorf("it may have been appended or not: %w", context.Cause(ctx))
		}
	}
	copy(results, r.results)
	return r.err
}

// lead takes the write lock, and only then those who wait for it: whoever came
// while it was held by others is served at once.
func (s *EventStore) lead(ctx context.Context, r *request) {
	// All of this also if SQLite panics: nobody must wait for ever.
	defer s.queue.leave(r) // does nothing once r has been taken
	tx, err := s.db.begin(ctx, r.deadline)
	if err != nil {
		r.err = err
		return
	}
	batch := s.queue.take()
	defer s.queue.settle(batch, r)
	defer rollback(tx) // after Commit it does nothing
	for _, r := range batch {
		r.err = errUnfinished
	}
	s.serve(context.WithoutCancel(ctx), tx, batch)
}

var errUnfinished = errors.New("it may have been appended or not: the append broke off")

// serve ends the transaction, and fills in the results of the batch. The work
// is bounded by the size of the batch, so it does not end with ctx.
func (s *EventStore) serve(ctx context.Context, tx *sql.Tx, batch []*request) {
	for _, r := range batch {
		var fatal bool
		if fatal, r.err = s.write(ctx, tx, r); !fatal {
			continue
		}
		rollback(tx)
		if len(batch) > 1 {
			s.serveEach(ctx, batch)
		}
		return
	}
	err := tx.Commit()
	if err == nil {
		s.watch.publish(lastOf(batch))
		return
	}
	for _, r := range batch {
		if r.err == nil {
			r.err = fmt.Errorf("commit: it may have been appended or not: %w", err)
		}
	}
}

// serveEach gives each request a transaction of its own, after one of them has
// made SQLite fail: so that it fails alone, if others need not.
func (s *EventStore) serveEach(ctx context.Context, batch []*request) {
	for i, r := range batch {
		tx, err := s.db.begin(ctx, s.db.deadline())
		if err != nil {
			r.err = err
			continue
		}
		s.serve(ctx, tx, batch[i:i+1])
	}
}

func lastOf(batch []*request) (last int64) {
	for _, r := range batch {
		for _, result := range r.results {
			last = max(last, result.Position)
		}
	}
	return last
}
