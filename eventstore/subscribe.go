package eventstore

import (
	"context"
	"fmt"
	"iter"
)

// Batch is what a subscription has at hand.
type Batch struct {
	// Events that passed the filter; there may be none.
	Events []Recorded

	// Checkpoint covers the events, and those that did not pass.
	Checkpoint Checkpoint

	// Live tells that nothing more was visible when the batch was read.
	Live bool
}

// ReadAll returns the events of all streams that the checkpoint has not
// covered, up to those visible now. Each carries the checkpoint after it. The
// error that ends it matches ErrCheckpoint, ErrInvalid, the cause of ctx, or
// the driver's.
func (s *Store) ReadAll(ctx context.Context, after Checkpoint, filter Filter) iter.Seq2[Recorded, error] {
	return s.each(ctx, after, filter, false)
}

// Subscribe is ReadAll that does not end: having caught up, it waits for more.
// It ends with an error, which matches those of ReadAll: when ctx is done, or
// the driver fails. Subscribe again from the last checkpoint then.
//
// No event is missed and none comes twice, and those of a stream come in order,
// also while other transactions are open, roll back or take long.
func (s *Store) Subscribe(ctx context.Context, after Checkpoint, filter Filter) iter.Seq2[Recorded, error] {
	return s.each(ctx, after, filter, true)
}

// SubscribeBatches is Subscribe for those who do the work of many events at
// once, or who want to move their checkpoint past events that the filter keeps
// from them: such batches have a new checkpoint and no events. Having caught up
// is told once, by a batch that is Live, also when there is nothing else to
// tell. A batch belongs to the caller.
func (s *Store) SubscribeBatches(ctx context.Context, after Checkpoint, filter Filter) iter.Seq2[Batch, error] {
	return s.batches(ctx, after, filter, true)
}

// Now returns the checkpoint that covers all events visible now, to subscribe
// to what comes after.
func (s *Store) Now(ctx context.Context) (Checkpoint, error) {
	r, err := s.allRange(Checkpoint{}, Filter{})
	if err != nil {
		return Checkpoint{}, fmt.Errorf("eventstore: checkpoint of now: %w", err)
	}
	page, err := s.driver.ReadAll(ctx, r)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("eventstore: checkpoint of now: %w", err)
	}
	return page.Next, nil
}

// Count returns how many events there are after the checkpoint, to tell how far
// a reader has got. It may take as long as reading them. It returns
// ErrUnsupported if the driver cannot count, or errors that match
// ErrCheckpoint, ErrInvalid, the cause of ctx, or the driver's.
func (s *Store) Count(ctx context.Context, after Checkpoint, filter Filter) (int64, error) {
	counter, ok := s.driver.(Counter)
	if !ok {
		return 0, fmt.Errorf("eventstore: count: %w", ErrUnsupported)
	}
	r, err := s.allRange(after, filter)
	if err != nil {
		return 0, fmt.Errorf("eventstore: count: %w", err)
	}
	n, err := counter.Count(ctx, r)
	if err != nil {
		return 0, fmt.Errorf("eventstore: count: %w", err)
	}
	return n, nil
}

func (s *Store) allRange(after Checkpoint, filter Filter) (AllRange, error) {
	return AllRange{
		After: after, Filter: filter,
		Tenant: s.config.Tenant, AllTenants: s.allTenants,
	}, s.checkFilter(filter)
}

func (s *Store) each(ctx context.Context, after Checkpoint, filter Filter, live bool) iter.Seq2[Recorded, error] {
	return func(yield func(Recorded, error) bool) {
		for batch, err := range s.batches(ctx, after, filter, live) {
			if err != nil {
				yield(Recorded{}, err)
				return
			}
			for i := range batch.Events {
				if !yield(batch.Events[i], nil) {
					return
				}
			}
		}
	}
}

func (s *Store) batches(ctx context.Context, after Checkpoint, filter Filter, live bool) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		r, err := s.allRange(after, filter)
		if err != nil {
			yield(Batch{}, fmt.Errorf("eventstore: read all: %w", err))
			return
		}
		var size pageSize
		told := false // of the end that is being waited at
		for {
			r.Max = size.next()
			page, err := s.driver.ReadAll(ctx, r)
			if err != nil {
				yield(Batch{}, fmt.Errorf("eventstore: read all: %w", err))
				return
			}
			news := len(page.Events) > 0 || page.Next != r.After || page.End && !told
			told = page.End
			if news && !yield(Batch{Events: page.Events, Checkpoint: page.Next, Live: page.End}, nil) {
				return
			}
			r.After = page.Next
			size.observe(page.Events)
			if !page.End {
				continue
			}
			if !live {
				return
			}
			if err := s.driver.Wait(ctx, r.After); err != nil {
				yield(Batch{}, fmt.Errorf("eventstore: subscribe: %w", err))
				return
			}
		}
	}
}
