package storetest_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/storetest"
)

// transactional is the memory driver with transactions that can be held open.
// A transaction locks the streams that it appends to, and keeps what it appends
// until it commits.
type transactional struct {
	*eventstore.Memory

	mu    sync.Mutex
	locks map[string]chan struct{} // by tenant and stream; each holds one token
}

func newTransactional() *transactional {
	return &transactional{Memory: eventstore.NewMemory(), locks: make(map[string]chan struct{})}
}

func (d *transactional) lock(ctx context.Context, key string) error {
	d.mu.Lock()
	if d.locks[key] == nil {
		d.locks[key] = make(chan struct{}, 1)
	}
	token := d.locks[key]
	d.mu.Unlock()
	select {
	case token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *transactional) unlock(keys []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, key := range keys {
		<-d.locks[key]
	}
}

func lockKey(tenant, stream string) string { return tenant + "\x00" + stream }

func (d *transactional) Append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	var keys []string
	for _, w := range writes {
		keys = append(keys, lockKey(w.Tenant, w.Stream))
	}
	slices.Sort(keys)
	for i, key := range keys {
		if err := d.lock(ctx, key); err != nil {
			d.unlock(keys[:i])
			return err
		}
	}
	defer d.unlock(keys)
	return d.Memory.Append(ctx, writes, results)
}

// memoryTx is the Tx of transactional.
type memoryTx struct {
	driver *transactional
	held   []string
	writes []eventstore.Write // one for each stream
}

func (tx *memoryTx) Append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	own := make([]*eventstore.Write, len(writes))
	before := make([]eventstore.StreamPage, len(writes))
	for i, w := range writes {
		var err error
		if own[i], err = tx.own(ctx, w); err != nil {
			return err
		}
		before[i], err = tx.driver.Memory.ReadStream(ctx, eventstore.StreamRange{Stream: w.Stream, Tenant: w.Tenant, From: 1, Max: 1000})
		if err != nil {
			return err
		}
	}
	heads := func(i int) eventstore.Head {
		head := before[i].Head
		head.Version += int64(len(own[i].Events))
		return head
	}
	find := func(i int, id uuid.UUID) (eventstore.Found, bool) {
		for _, r := range before[i].Events {
			if r.ID == id {
				return eventstore.Found{Version: r.Version, Position: r.Position}, true
			}
		}
		for n, e := range own[i].Events {
			if e.ID == id {
				return eventstore.Found{Version: before[i].Head.Version + int64(n) + 1}, true
			}
		}
		return eventstore.Found{}, false
	}
	if duplicate, err := eventstore.Check(writes, results, heads, find); duplicate || err != nil {
		return err
	}
	for i, w := range writes {
		for _, e := range w.Events {
			e.SchemaVersion = max(e.SchemaVersion, 1)
			e.Data = slices.Clone(e.Data)
			own[i].Events = append(own[i].Events, e)
		}
	}
	return nil
}

// own locks a stream, and returns what the transaction has for it so far.
func (tx *memoryTx) own(ctx context.Context, w eventstore.Write) (*eventstore.Write, error) {
	key := lockKey(w.Tenant, w.Stream)
	at := slices.Index(tx.held, key)
	if at < 0 {
		if err := tx.driver.lock(ctx, key); err != nil {
			return nil, err
		}
		at = len(tx.held)
		tx.held = append(tx.held, key)
		tx.writes = slices.Grow(tx.writes, 10) // pointers into it stay good for one call
		tx.writes = append(tx.writes, eventstore.Write{Stream: w.Stream, Tenant: w.Tenant, Expected: eventstore.Any})
	}
	return &tx.writes[at], nil
}

func (tx *memoryTx) Commit(ctx context.Context) error {
	defer tx.driver.unlock(tx.held)
	if len(tx.writes) == 0 {
		return nil
	}
	return tx.driver.Memory.Append(ctx, tx.writes, make([]eventstore.Appended, len(tx.writes)))
}

func (tx *memoryTx) Rollback(context.Context) error {
	tx.driver.unlock(tx.held)
	return nil
}

// other is a second driver over the data of a transactional.
type other struct{ *transactional }

func transactionalHarness() storetest.Harness {
	return storetest.Harness{
		New: func(testing.TB) eventstore.Driver { return newTransactional() },
		Begin: func(_ context.Context, d eventstore.Driver) (storetest.Tx, error) {
			return &memoryTx{driver: underlying(d)}, nil
		},
		Foreign: func(testing.TB, eventstore.Driver) func() { return func() {} },
		Reopen: func(_ testing.TB, d eventstore.Driver) eventstore.Driver {
			return other{underlying(d)}
		},
	}
}

// TestTransactional runs every case on a driver that keeps every promise.
func TestTransactional(t *testing.T) {
	storetest.Run(t, transactionalHarness())
}

// TestNotApplicable sees to it that a case that cannot run says why.
func TestNotApplicable(t *testing.T) {
	h := storetest.Harness{New: func(testing.TB) eventstore.Driver { return eventstore.NewMemory() }}
	for name, reason := range map[string]string{
		"what is rolled back is never delivered":                           "no Begin",
		"an event that is committed late is delivered late":                "no Begin",
		"a transaction open in another database holds nobody up":           "no Foreign",
		"a second driver over the same data":                               "no Reopen",
		"the same with a transaction open in another database":             "no Foreign",
		"a stream keeps its order when the older transaction appends last": "no Begin",
	} {
		watched := watch(t, h, name)
		if watched.failed || !strings.Contains(watched.skipped, reason) {
			t.Errorf("%s: skipped with %q; it should be because of %q", name, watched.skipped, reason)
		}
	}
	h = transactionalHarness()
	h.OneWriter = true
	if got := watch(t, h, "an event that is committed late is delivered late"); !strings.Contains(got.skipped, "OneWriter") {
		t.Errorf("with OneWriter: skipped with %q", got.skipped)
	}
}
