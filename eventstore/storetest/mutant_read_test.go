package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/storetest"
)

// reading makes a driver of a ReadStream with a fault.
func reading(fault func(ctx context.Context, d *transactional, r eventstore.StreamRange) (eventstore.StreamPage, error)) func(*transactional) eventstore.Driver {
	return func(d *transactional) eventstore.Driver {
		return &spoilt{transactional: d, readStream: func(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error) {
			return fault(ctx, d, r)
		}}
	}
}

// readingAll makes a driver of a ReadAll with a fault.
func readingAll(fault func(ctx context.Context, d *transactional, r eventstore.AllRange) (eventstore.Page, error)) func(*transactional) eventstore.Driver {
	return func(d *transactional) eventstore.Driver {
		return &spoilt{transactional: d, readAll: func(ctx context.Context, r eventstore.AllRange) (eventstore.Page, error) {
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

// spoiltTx is a transaction that does something else at its end.
type spoiltTx struct {
	*memoryTx
	commit, rollback func(ctx context.Context) error
}

func (tx *spoiltTx) Commit(ctx context.Context) error {
	if tx.commit != nil {
		return tx.commit(ctx)
	}
	return tx.memoryTx.Commit(ctx)
}

func (tx *spoiltTx) Rollback(ctx context.Context) error {
	if tx.rollback != nil {
		return tx.rollback(ctx)
	}
	return tx.memoryTx.Rollback(ctx)
}

func transactionMutants() []mutant {
	commitsAll := func(h *storetest.Harness) {
		h.Begin = func(_ context.Context, d eventstore.Driver) (storetest.Tx, error) {
			tx := &memoryTx{driver: underlying(d)}
			return &spoiltTx{memoryTx: tx, rollback: tx.Commit}, nil
		}
	}
	return []mutant{
		{fault: "commits what is rolled back", by: "what is rolled back is never delivered", words: "rolled back", harness: commitsAll},
		{fault: "commits what is rolled back, to subscribers", by: "miss nothing and repeat nothing while writers write", words: "what is rolled back is never delivered", harness: commitsAll},
		{fault: "skips what commits after something later", by: "an event that is committed late is delivered late", words: "once its transaction has committed", harness: skipsLate},
		{fault: "skips what commits late, between pages", by: "transactions that end between the pages of a reading", words: "every committed event once", harness: skipsLate},
		{fault: "skips what commits late, to subscribers", by: "miss nothing and repeat nothing while writers write", words: "missed", harness: skipsLate},
		{fault: "holds readers up while a transaction is open", by: "an event that is committed late is delivered late", words: "no events came", harness: stalls},
		{fault: "holds readers up while a foreign transaction is open", by: "a transaction open in another database holds nobody up", words: "no events came", harness: stalls},
		{fault: "holds subscribers up while a foreign transaction is open", by: "the same with a transaction open in another database", words: "events are delivered to those who subscribe", harness: stalls},
		{fault: "delivers by the age of transactions", by: "a stream keeps its order when the older transaction appends last", words: "whichever transaction is older", harness: byAge},
		{
			fault: "loses the data in a second driver", by: "sees everything", words: "sees all that was done through the first",
			harness: func(h *storetest.Harness) {
				h.Reopen = func(testing.TB, eventstore.Driver) eventstore.Driver { return newTransactional() }
			},
		},
		{
			fault: "forgets the IDs in a second driver", by: "shares the rules", words: "as a duplicate",
			harness: func(h *storetest.Harness) {
				h.Reopen = func(_ testing.TB, d eventstore.Driver) eventstore.Driver {
					return appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
						err := d.Append(ctx, writes, results)
						for i := range results {
							results[i].Duplicate = false
						}
						return err
					})(underlying(d))
				}
			},
		},
	}
}

// skipsLate is a reader by position: what commits late is below what it has
// read.
func skipsLate(h *storetest.Harness) {
	var mu sync.Mutex
	late := make(map[string]bool)
	var commits atomic.Int64
	h.New = func(testing.TB) eventstore.Driver {
		d := newTransactional()
		return &spoilt{
			transactional: d,
			append: func(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
				commits.Add(1)
				return d.Append(ctx, writes, results)
			},
			readAll: func(ctx context.Context, r eventstore.AllRange) (eventstore.Page, error) {
				page, err := d.ReadAll(ctx, r)
				mu.Lock()
				defer mu.Unlock()
				page.Events = slices.DeleteFunc(page.Events, func(e eventstore.Recorded) bool { return late[e.ID.String()] })
				return page, err
			},
		}
	}
	h.Begin = func(_ context.Context, d eventstore.Driver) (storetest.Tx, error) {
		tx, began := &memoryTx{driver: underlying(d)}, commits.Load()
		return &spoiltTx{memoryTx: tx, commit: func(ctx context.Context) error {
			if commits.Load() > began {
				mu.Lock()
				for _, w := range tx.writes {
					for _, e := range w.Events {
						late[e.ID.String()] = true
					}
				}
				mu.Unlock()
			}
			return tx.Commit(ctx)
		}}, nil
	}
}

// stalls is a reader that waits for the oldest open transaction of the server.
func stalls(h *storetest.Harness) {
	var open atomic.Int64
	h.New = func(testing.TB) eventstore.Driver {
		return readingAll(func(ctx context.Context, d *transactional, r eventstore.AllRange) (eventstore.Page, error) {
			if open.Load() > 0 {
				linger()
				return eventstore.Page{Next: r.After, End: true}, ctx.Err()
			}
			return d.ReadAll(ctx, r)
		})(newTransactional())
	}
	h.Foreign = func(testing.TB, eventstore.Driver) func() {
		open.Add(1)
		return func() { open.Add(-1) }
	}
	h.Begin = func(_ context.Context, d eventstore.Driver) (storetest.Tx, error) {
		tx := &memoryTx{driver: underlying(d)}
		open.Add(1)
		return &spoiltTx{
			memoryTx: tx,
			commit:   func(ctx context.Context) error { open.Add(-1); return tx.Commit(ctx) },
			rollback: func(ctx context.Context) error { open.Add(-1); return tx.Rollback(ctx) },
		}, nil
	}
}

// byAge delivers the events of a page in the order in which their transactions
// began.
func byAge(h *storetest.Harness) {
	var mu sync.Mutex
	var clock int
	age := make(map[string]int)
	h.New = func(testing.TB) eventstore.Driver {
		return readingAll(func(ctx context.Context, d *transactional, r eventstore.AllRange) (eventstore.Page, error) {
			page, err := d.ReadAll(ctx, r)
			mu.Lock()
			defer mu.Unlock()
			for _, e := range page.Events {
				if age[e.ID.String()] == 0 {
					clock++
					age[e.ID.String()] = clock
				}
			}
			slices.SortStableFunc(page.Events, func(a, b eventstore.Recorded) int { return cmp.Compare(age[a.ID.String()], age[b.ID.String()]) })
			return page, err
		})(newTransactional())
	}
	h.Begin = func(_ context.Context, d eventstore.Driver) (storetest.Tx, error) {
		mu.Lock()
		defer mu.Unlock()
		clock++
		tx, began := &memoryTx{driver: underlying(d)}, clock
		return &spoiltTx{memoryTx: tx, commit: func(ctx context.Context) error {
			mu.Lock()
			for _, w := range tx.writes {
				for _, e := range w.Events {
					age[e.ID.String()] = began
				}
			}
			mu.Unlock()
			return tx.Commit(ctx)
		}}, nil
	}
}

func waitMutants() []mutant {
	waiting := func(fault func(ctx context.Context, d *transactional, after eventstore.Checkpoint) error) func(*transactional) eventstore.Driver {
		return func(d *transactional) eventstore.Driver {
			return &spoilt{transactional: d, wait: func(ctx context.Context, after eventstore.Checkpoint) error { return fault(ctx, d, after) }}
		}
	}
	fromNow := waiting(func(ctx context.Context, d *transactional, _ eventstore.Checkpoint) error {
		linger()
		page, err := d.ReadAll(ctx, eventstore.AllRange{})
		if err != nil {
			return err
		}
		return d.Wait(ctx, page.Next)
	})
	return []mutant{
		{fault: "waits for the next append whatever the reader has", by: "an append before the wait ends it", words: "between its reading and its waiting", driver: fromNow},
		{fault: "loses a wake-up between reading and waiting", by: "an append during the wait ends it", words: "nobody was woken", driver: fromNow},
		{
			fault: "wakes one of those who wait", by: "an append wakes all who wait", words: "is woken by what is appended",
			driver: func(d *transactional) eventstore.Driver {
				var turn sync.Mutex
				return &spoilt{transactional: d, wait: func(ctx context.Context, after eventstore.Checkpoint) error {
					if !turn.TryLock() {
						<-ctx.Done()
						return context.Cause(ctx)
					}
					return d.Wait(ctx, after)
				}}
			},
		},
		{
			fault: "waits on when its context is done", by: "a cancelled wait returns at once", words: "it took",
			driver: waiting(func(ctx context.Context, d *transactional, after eventstore.Checkpoint) error {
				err := d.Wait(ctx, after)
				if err != nil {
					time.Sleep(2100 * time.Millisecond) // longer than the kit allows
				}
				return err
			}),
		},
		{
			fault: "returns the error of the context from a wait", by: "a cancelled wait returns at once", words: "returns its cause",
			driver: waiting(func(ctx context.Context, d *transactional, after eventstore.Checkpoint) error {
				if d.Wait(ctx, after) != nil {
					return ctx.Err()
				}
				return nil
			}),
		},
		{
			fault: "ends a subscription without a reason", by: "catch up and go on", words: "ends with the cause",
			driver: waiting(func(context.Context, *transactional, eventstore.Checkpoint) error {
				return errors.New("connection lost")
			}),
		},
	}
}
