package storetest_test

import (
	"context"
	"slices"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

// reading makes a driver of a ReadStream with a fault.
func reading(fault func(ctx context.Context, d *transactional, r eventstore.StreamRange) (eventstore.StreamPage, error)) func(*transactional) eventstore.Driver {
	return func(d *transactional) eventstore.Driver {
		return &spoilt{transactional: d, readStream: func(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error) {
			return fault(ctx, d, r)
		}}
	}
}

// erasing makes a driver of an Erase with a fault.
func erasing(fault func(ctx context.Context, d *transactional, e eventstore.Erasure) error) func(*transactional) eventstore.Driver {
	return func(d *transactional) eventstore.Driver {
		return &spoilt{transactional: d, erase: func(ctx context.Context, e eventstore.Erasure) error { return fault(ctx, d, e) }}
	}
}

func readMutants() []mutant {
	return []mutant{
		{
			fault: "returns the same memory twice", by: "memory is not shared with callers", words: "neither what a caller does",
			driver: func(d *transactional) eventstore.Driver {
				pages := make(map[eventstore.StreamRange]eventstore.StreamPage)
				return &spoilt{transactional: d, readStream: func(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error) {
					if page, ok := pages[r]; ok {
						return eventstore.StreamPage{Head: page.Head, Events: slices.Clone(page.Events)}, nil
					}
					page, err := d.ReadStream(ctx, r)
					pages[r] = eventstore.StreamPage{Head: page.Head, Events: slices.Clone(page.Events)}
					return page, err
				}}
			},
		},
		{
			fault: "leaves out an event of a page", by: "page by page", words: "events were read",
			driver: reading(func(ctx context.Context, d *transactional, r eventstore.StreamRange) (eventstore.StreamPage, error) {
				page, err := d.ReadStream(ctx, r)
				if len(page.Events) > 100 {
					page.Events = slices.Delete(page.Events, 50, 51)
				}
				return page, err
			}),
		},
		{
			fault: "begins one event late backwards", by: "from each version forwards and backwards", words: "it should be",
			driver: reading(func(ctx context.Context, d *transactional, r eventstore.StreamRange) (eventstore.StreamPage, error) {
				if r.Backwards && r.From > 1 && r.From < 9 {
					r.From--
				}
				return d.ReadStream(ctx, r)
			}),
		},
		{
			fault: "returns more than was asked for", by: "from each version forwards and backwards", words: "events or fewer",
			driver: reading(func(ctx context.Context, d *transactional, r eventstore.StreamRange) (eventstore.StreamPage, error) {
				r.Max = max(r.Max, 2)
				return d.ReadStream(ctx, r)
			}),
		},
		{
			fault: "reads the head before the events", by: "while others append", words: "same moment",
			driver: reading(func(ctx context.Context, d *transactional, r eventstore.StreamRange) (eventstore.StreamPage, error) {
				head, _ := d.ReadStream(ctx, eventstore.StreamRange{Stream: r.Stream, Tenant: r.Tenant, From: 1})
				linger()
				page, err := d.ReadStream(ctx, r)
				page.Head = head.Head
				return page, err
			}),
		},
		{
			fault: "takes the version for the position", by: "positions and times", words: "position",
			driver: reading(func(ctx context.Context, d *transactional, r eventstore.StreamRange) (eventstore.StreamPage, error) {
				page, err := d.ReadStream(ctx, r)
				for i := range page.Events {
					page.Events[i].Position = page.Events[i].Version
				}
				return page, err
			}),
		},
		{
			fault: "tells the time of the reading", by: "positions and times", words: "the same position and time",
			driver: reading(func(ctx context.Context, d *transactional, r eventstore.StreamRange) (eventstore.StreamPage, error) {
				page, err := d.ReadStream(ctx, r)
				now := time.Now()
				for i := range page.Events {
					page.Events[i].Time = now
				}
				return page, err
			}),
		},
		{
			fault: "forgets the head of a deleted stream", by: "a deleted stream goes on from its head", words: "deleted",
			driver: reading(func(ctx context.Context, d *transactional, r eventstore.StreamRange) (eventstore.StreamPage, error) {
				page, err := d.ReadStream(ctx, r)
				if page.Head.Deleted {
					page.Head = eventstore.Head{First: 1}
				}
				return page, err
			}),
		},
		{
			fault: "fails to truncate where it has truncated", by: "truncation goes one way", words: "also where it was before",
			driver: erasing(func(ctx context.Context, d *transactional, e eventstore.Erasure) error {
				page, _ := d.ReadStream(ctx, eventstore.StreamRange{Stream: e.Stream, Tenant: e.Tenant, From: 1})
				if e.Kind == eventstore.Truncate && e.Before < page.Head.First {
					return eventstore.ErrInvalid
				}
				return d.Erase(ctx, e)
			}),
		},
		{
			fault: "truncates beyond the end", by: "what cannot be truncated", words: "cannot be truncated before version 5",
			driver: erasing(func(ctx context.Context, d *transactional, e eventstore.Erasure) error {
				page, _ := d.ReadStream(ctx, eventstore.StreamRange{Stream: e.Stream, Tenant: e.Tenant, From: 1})
				e.Before = min(e.Before, page.Head.Version+1)
				return d.Erase(ctx, e)
			}),
		},
		{
			fault: "deletes in place of a tombstone", by: "a tombstone is for ever", words: "tombstoned",
			driver: erasing(func(ctx context.Context, d *transactional, e eventstore.Erasure) error {
				if e.Kind == eventstore.Tombstone {
					e.Kind = eventstore.Delete
				}
				return d.Erase(ctx, e)
			}),
		},
		{
			fault: "deletes whatever is expected", by: "deleting", words: `comes to "no"`,
			driver: erasing(func(ctx context.Context, d *transactional, e eventstore.Erasure) error {
				e.Expected = eventstore.Any
				return d.Erase(ctx, e)
			}),
		},
		{
			fault: "decides a deletion before it locks", by: "races with appends", words: "in no order",
			driver: erasing(func(ctx context.Context, d *transactional, e eventstore.Erasure) error {
				page, _ := d.ReadStream(ctx, eventstore.StreamRange{Stream: e.Stream, Tenant: e.Tenant, From: 1})
				if _, err := eventstore.CheckErasure(e, page.Head); err != nil {
					return err
				}
				linger()
				if e.Expected = eventstore.Any; e.Kind == eventstore.Truncate {
					e.Before = min(e.Before, page.Head.Version+1)
				}
				return d.Erase(ctx, e)
			}),
		},
		{
			fault: "erases the stream of every tenant", by: "one tenant's stream leaves the others", words: "can be read",
			driver: erasing(func(ctx context.Context, d *transactional, e eventstore.Erasure) error {
				for _, tenant := range []string{"", "acme", "other"} {
					e.Tenant = tenant
					_ = d.Erase(ctx, e)
				}
				return nil
			}),
		},
	}
}
