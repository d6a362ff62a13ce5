package storetest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/parlance-go/parlance/eventstore"
)

// readingAll makes a driver of a ReadAll with a fault.
func readingAll(fault func(ctx context.Context, d *transactional, r eventstore.AllRange) (eventstore.Page, error)) func(*transactional) eventstore.Driver {
	return func(d *transactional) eventstore.Driver {
		return &spoilt{transactional: d, readAll: func(ctx context.Context, r eventstore.AllRange) (eventstore.Page, error) {
			return fault(ctx, d, r)
		}}
	}
}

func readAllMutants() []mutant {
	return []mutant{
		{fault: "repeats the last event of the page before", by: "from the checkpoint of each event", words: "goes on after it", driver: readingAll(repeating)},
		{fault: "repeats an event to subscribers", by: "miss nothing and repeat nothing while writers write", words: "twice", driver: readingAll(repeating)},
		{
			fault: "turns a page round", by: "from the checkpoint of each event", words: "in the order of their versions",
			driver: readingAll(func(ctx context.Context, d *transactional, r eventstore.AllRange) (eventstore.Page, error) {
				page, err := d.ReadAll(ctx, r)
				slices.Reverse(page.Events)
				return page, err
			}),
		},
		{
			fault: "skips an event now and then", by: "miss nothing and repeat nothing while writers write", words: "missed",
			driver: readingAll(func(ctx context.Context, d *transactional, r eventstore.AllRange) (eventstore.Page, error) {
				page, err := d.ReadAll(ctx, r)
				page.Events = slices.DeleteFunc(page.Events, func(e eventstore.Recorded) bool { return e.Position%50 == 0 })
				return page, err
			}),
		},
		{
			fault: "delivers more than it says it has covered", by: "in pages of any size", words: "size of pages",
			driver: readingAll(func(ctx context.Context, d *transactional, r eventstore.AllRange) (eventstore.Page, error) {
				page, err := d.ReadAll(ctx, r)
				if n := len(page.Events); n > 1 {
					page.Next, page.End = page.Events[n-2].Checkpoint, false
				}
				return page, err
			}),
		},
		{
			fault: "passes categories that begin alike", by: "with filters", words: "a filter passes",
			driver: readingAll(func(ctx context.Context, d *transactional, r eventstore.AllRange) (eventstore.Page, error) {
				categories := r.Filter.Categories
				if len(categories) == 0 {
					return d.ReadAll(ctx, r)
				}
				r.Filter.Categories = nil
				page, err := d.ReadAll(ctx, r)
				page.Events = slices.DeleteFunc(page.Events, func(e eventstore.Recorded) bool {
					return !slices.ContainsFunc(categories, func(c string) bool { return strings.HasPrefix(e.Stream, c) })
				})
				return page, err
			}),
		},
		{
			fault: "shows all tenants to one", by: "with filters", words: "that tenant's events only",
			driver: readingAll(func(ctx context.Context, d *transactional, r eventstore.AllRange) (eventstore.Page, error) {
				r.AllTenants = true
				return d.ReadAll(ctx, r)
			}),
		},
		{
			fault: "keeps the checkpoint where the filter passes nothing", by: "checkpoints move over what the filter leaves out", words: "covers the events that were left out",
			driver: readingAll(func(ctx context.Context, d *transactional, r eventstore.AllRange) (eventstore.Page, error) {
				page, err := d.ReadAll(ctx, r)
				if n := len(page.Events); n > 0 {
					page.Next = page.Events[n-1].Checkpoint
				} else if page.End && r.Max > 0 {
					page.Next = r.After
				}
				return page, err
			}),
		},
		{
			fault: "delivers erased events", by: "erased events are not delivered", words: "erased events are not delivered",
			driver: func(d *transactional) eventstore.Driver {
				var mu sync.Mutex
				var seen []eventstore.Recorded
				return &spoilt{transactional: d, readAll: func(ctx context.Context, r eventstore.AllRange) (eventstore.Page, error) {
					page, err := d.ReadAll(ctx, r)
					mu.Lock()
					defer mu.Unlock()
					if len(seen) == 0 {
						seen = slices.Clone(page.Events)
					} else if r.After.IsZero() {
						page.Events = append(slices.Clone(seen), page.Events[len(page.Events)-1])
					}
					return page, err
				}}
			},
		},
		{
			fault: "has a checkpoint of now that covers nothing", by: "checkpoint of now", words: "the checkpoint of now",
			driver: readingAll(func(ctx context.Context, d *transactional, r eventstore.AllRange) (eventstore.Page, error) {
				if r.Max == 0 {
					return eventstore.Page{End: true}, nil
				}
				return d.ReadAll(ctx, r)
			}),
		},
		{
			fault: "takes foreign checkpoints for the beginning", by: "checkpoints of another store are refused", words: "is refused with ErrCheckpoint",
			driver: readingAll(func(ctx context.Context, d *transactional, r eventstore.AllRange) (eventstore.Page, error) {
				page, err := d.ReadAll(ctx, r)
				if errors.Is(err, eventstore.ErrCheckpoint) {
					r.After = eventstore.Checkpoint{}
					return d.ReadAll(ctx, r)
				}
				return page, err
			}),
		},
		{
			fault: "counts one too many", by: "with filters", words: "Count is how many",
			driver: func(d *transactional) eventstore.Driver {
				return &spoilt{transactional: d, count: func(ctx context.Context, r eventstore.AllRange) (int64, error) {
					n, err := d.Count(ctx, r)
					return n + 1, err
				}}
			},
		},
	}
}

func repeating(ctx context.Context, d *transactional, r eventstore.AllRange) (eventstore.Page, error) {
	if base, offset := r.After.Parts(); offset > 0 && r.Max > 0 {
		again := r
		again.After = eventstore.NewCheckpoint(base, offset-1)
		if page, err := d.ReadAll(ctx, again); err != nil || len(page.Events) > 1 {
			return page, err
		}
	}
	return d.ReadAll(ctx, r)
}
