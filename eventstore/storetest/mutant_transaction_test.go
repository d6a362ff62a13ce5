package storetest_test

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/storetest"
)

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
		{fault: "skips what commits late, between pages", by: "transactions that end between the pages of a reading", words: "every committed event once|Count is how many events reading all returns", harness: skipsLate},
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
