package eventstore

import (
	"context"
	"fmt"
	"iter"
	"math"
)

// End is the version to read backwards from to begin at the end.
const End int64 = math.MaxInt64

// Read returns the events of a stream from a version on, in order. An absent
// or deleted stream has none. Reading goes page by page and holds no connection
// while the caller works; events appended meanwhile are read too.
//
// The error that ends it matches ErrTombstoned, ErrInvalid, the cause of ctx,
// or the driver's.
func (s *Store) Read(ctx context.Context, stream string, from int64) iter.Seq2[Recorded, error] {
	return s.readStream(ctx, StreamRange{Stream: stream, From: max(from, 1)})
}

// ReadBackwards returns the events of a stream from a version down to the
// first. Begin with [End] for the last event. Its errors are those of Read.
func (s *Store) ReadBackwards(ctx context.Context, stream string, from int64) iter.Seq2[Recorded, error] {
	return s.readStream(ctx, StreamRange{Stream: stream, From: from, Backwards: true})
}

func (s *Store) readStream(ctx context.Context, r StreamRange) iter.Seq2[Recorded, error] {
	return func(yield func(Recorded, error) bool) {
		if r.From < 1 { // nothing is there, but what is wrong has to be said
			if _, err := s.ReadPage(ctx, StreamRange{Stream: r.Stream, From: 1}); err != nil {
				yield(Recorded{}, err)
			}
			return
		}
		var size pageSize
		for r := r; r.From >= 1; {
			r.Max = size.next()
			page, err := s.ReadPage(ctx, r)
			if err != nil {
				yield(Recorded{}, err)
				return
			}
			for i := range page.Events {
				if !yield(page.Events[i], nil) {
					return
				}
			}
			if len(page.Events) == 0 {
				return
			}
			last := page.Events[len(page.Events)-1].Version
			if r.Backwards {
				r.From = last - 1
			} else {
				r.From = last + 1
			}
			if r.From > page.Head.Version || r.From < page.Head.First {
				return
			}
			size.observe(page.Events)
		}
	}
}

// ReadPage returns a part of a stream together with its head, in one round
// trip; it is for those who need both, and for pages that people turn.
// r.Tenant is ignored. The error matches ErrTombstoned, ErrInvalid, the cause
// of ctx, or the driver's.
func (s *Store) ReadPage(ctx context.Context, r StreamRange) (StreamPage, error) {
	page, err := s.readPage(ctx, r)
	if err == nil && page.Head.Tombstoned {
		err = &TombstonedError{Stream: r.Stream}
	}
	if err != nil {
		return StreamPage{}, fmt.Errorf("eventstore: read %q: %w", r.Stream, err)
	}
	return page, nil
}

// Head returns the state of a stream. An absent one has the version 0. The
// error matches ErrInvalid, the cause of ctx, or the driver's.
func (s *Store) Head(ctx context.Context, stream string) (Head, error) {
	page, err := s.readPage(ctx, StreamRange{Stream: stream, From: 1})
	if err != nil {
		return Head{}, fmt.Errorf("eventstore: head of %q: %w", stream, err)
	}
	return page.Head, nil
}

func (s *Store) readPage(ctx context.Context, r StreamRange) (StreamPage, error) {
	if s.refuse != nil {
		return StreamPage{}, s.refuse
	}
	if err := checkStream(r.Stream); err != nil {
		return StreamPage{}, err
	}
	if r.From < 1 || r.Max < 0 {
		return StreamPage{}, invalidf("read from version %d, at most %d events", r.From, r.Max)
	}
	r.Tenant = s.config.Tenant
	return s.driver.ReadStream(ctx, r)
}

// pageSize bounds how much one page holds in memory: it asks for as many events
// as fill about 4 MiB, judged by the page before.
type pageSize struct{ events int }

const (
	firstPage   = 256
	largestPage = 2048
	pageBytes   = 4 << 20
)

func (p *pageSize) next() int {
	if p.events == 0 {
		p.events = firstPage
	}
	return p.events
}

func (p *pageSize) observe(page []Recorded) {
	if len(page) == 0 {
		return
	}
	total := 0
	for i := range page {
		total += len(page[i].Data)
	}
	fits := pageBytes / max(total/len(page), 1)
	p.events = min(max(fits, 1), largestPage, 4*p.events)
}
