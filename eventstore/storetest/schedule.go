package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

// schedules plays random schedules of transactions and readers, all in one
// goroutine, so that a seed gives the same again.
func schedules(ctx context.Context, t *trial) {
	for n := range t.rounds(10) {
		s := &schedule{
			trial: t.chapter(), random: t.random(uint64(100 + n)), name: fmt.Sprintf("s%d", n),
			open: make(map[string]*openTx), pending: make(map[string][]eventstore.Event), committed: make(map[string][]eventstore.Event),
		}
		if !s.play(ctx) {
			return
		}
	}
}

type schedule struct {
	*trial
	random    *rand.Rand
	name      string
	open      map[string]*openTx            // by the stream that it appends to
	pending   map[string][]eventstore.Event // of those
	committed map[string][]eventstore.Event // by stream
	readers   []*follower
}

func (s *schedule) play(ctx context.Context) bool {
	s.Helper()
	const steps, streams, readers = 80, 4, 3
	for i := range readers {
		f := &follower{trial: s.trial, name: fmt.Sprint(i + 1), filter: eventstore.Filter{Categories: []string{s.name}}}
		s.readers = append(s.readers, f)
		if i == 1 {
			f.filter.Types = []string{"Happened"} // passes all, by another way
		}
	}
	for range steps {
		stream := fmt.Sprintf("%s-%d", s.name, s.random.IntN(streams))
		tx := s.open[stream]
		switch choice := s.random.IntN(8); {
		case choice < 3:
			s.read(ctx, s.readers[s.random.IntN(readers)])
		case tx == nil && choice < 5:
			s.committed[stream] = append(s.committed[stream], s.given(ctx, stream, 1+s.random.IntN(2))...)
		case tx == nil:
			s.open[stream] = s.begin(ctx, stream)
		case choice < 6:
			s.pending[stream] = append(s.pending[stream], tx.append(ctx, stream, 1)...)
		default:
			s.end(ctx, stream, s.random.IntN(3) > 0)
		}
	}
	for stream := range s.open {
		s.end(ctx, stream, true)
	}
	for _, reader := range s.readers {
		reader.toEnd(ctx, 2)
		if !s.judge(reader) {
			return false
		}
	}
	return true
}

// read reads a page, and sometimes goes back into the middle of it or counts
// what is left.
func (s *schedule) read(ctx context.Context, reader *follower) {
	s.Helper()
	reader.follow(ctx, 1+s.random.IntN(4))
	if reader.page > 1 && s.random.IntN(2) == 0 {
		reader.forget(1 + s.random.IntN(reader.page-1))
	}
	if s.random.IntN(3) == 0 {
		left := -len(reader.got)
		for _, events := range s.committed {
			left += len(events)
		}
		s.counts(ctx, reader.after, reader.filter, left)
	}
}

func (s *schedule) end(ctx context.Context, stream string, commit bool) {
	s.Helper()
	s.open[stream].end(ctx, commit)
	if commit {
		s.committed[stream] = append(s.committed[stream], s.pending[stream]...)
	}
	delete(s.open, stream)
	delete(s.pending, stream)
}

func (s *schedule) judge(reader *follower) bool {
	s.Helper()
	got := make(map[string][]uuid.UUID)
	for _, r := range reader.got {
		got[r.Stream] = append(got[r.Stream], r.ID)
	}
	for stream, events := range s.committed {
		if !slices.Equal(got[stream], ids(events)) {
			s.broken("a reader gets every committed event once, those of a stream in order, and none that was rolled back",
				"of %q a reader got %s; it should be %s",
				stream, tellMany(len(got[stream]), " ", func(i int) string { return tellID(got[stream][i]) }), tellIDs(events))
			return false
		}
		delete(got, stream)
	}
	for stream := range got {
		s.broken("what is rolled back is never delivered", "a reader got %v of %q", got[stream], stream)
		return false
	}
	return true
}
