package storetest_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

type appends = func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error

// appending makes a driver of an Append with a fault.
func appending(fault appends) func(*transactional) eventstore.Driver {
	return func(d *transactional) eventstore.Driver {
		return &spoilt{transactional: d, append: func(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
			return fault(ctx, d, writes, results)
		}}
	}
}

// linger widens the gap between a check and what is done after it.
func linger() { time.Sleep(200 * time.Microsecond) } // a race has to be lost for sure

func headOf(ctx context.Context, d *transactional, w eventstore.Write) eventstore.Head {
	page, _ := d.ReadStream(ctx, eventstore.StreamRange{Stream: w.Stream, Tenant: w.Tenant, From: 1})
	return page.Head
}

func appendMutants() []mutant {
	return []mutant{
		{
			fault: "says yes and does not write", by: "concurrent appends to one stream", words: "nobody was given version",
			driver: func(d *transactional) eventstore.Driver {
				var n atomic.Int64
				return &spoilt{transactional: d, append: func(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
					if w := writes[0]; n.Add(1)%10 == 0 && len(w.Events) > 0 && w.Expected == eventstore.Any {
						results[0] = eventstore.Appended{Version: headOf(ctx, d, w).Version + 1000, Position: 1}
						return nil
					}
					return d.Append(ctx, writes, results)
				}}
			},
		},
		{
			fault: "loses the last event of several", by: "64 writers that expect nothing all succeed", words: "appends to one stream have their effect in some order",
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				less := slices.Clone(writes)
				for i, w := range less {
					if len(w.Events) > 1 {
						less[i].Events = w.Events[:len(w.Events)-1]
					}
				}
				err := d.Append(ctx, less, results)
				for i, w := range writes {
					if len(w.Events) > 1 {
						results[i].Version++
					}
				}
				return err
			}),
		},
		{
			fault: "takes any version for the exact one", by: "appending", words: `Exact(head-1) comes to "no"`,
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				loose := slices.Clone(writes)
				for i := range loose {
					if n, _ := loose[i].Expected.Version(); n > 0 {
						loose[i].Expected = eventstore.Any
					}
				}
				return d.Append(ctx, loose, results)
			}),
		},
		{
			fault: "conflicts with Any when others write", by: "64 writers that expect nothing all succeed", words: "never conflicts",
			driver: func(d *transactional) eventstore.Driver {
				var busy sync.Mutex
				return &spoilt{transactional: d, append: func(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
					if !busy.TryLock() {
						return &eventstore.ConflictError{Stream: writes[0].Stream, Expected: writes[0].Expected, Actual: headOf(ctx, d, writes[0]).Version}
					}
					defer busy.Unlock()
					linger()
					return d.Append(ctx, writes, results)
				}}
			},
		},
		{
			fault: "checks the version before it locks", by: "of writers that expect one version one wins", words: "exactly one wins",
			driver: appending(checkedTooEarly),
		},
		{
			fault: "lets several create a stream", by: "of writers that expect no stream one wins", words: "exactly one wins",
			driver: appending(checkedTooEarly),
		},
		{
			fault: "leaves a history that is not linearizable", by: "writers of all kinds leave a linearizable history", words: "must come to the opposite",
			driver: appending(checkedTooEarly),
		},
		{
			fault: "returns the head for a duplicate", by: "same IDs again after later appends and erasures", words: "the first result was",
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				err := d.Append(ctx, writes, results)
				if err == nil && results[0].Duplicate {
					results[0].Version = headOf(ctx, d, writes[0]).Version
				}
				return err
			}),
		},
		{
			fault: "conflicts before it looks for duplicates", by: "same IDs again return the first result", words: "whatever is expected",
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				head := headOf(ctx, d, writes[0])
				if n, exact := writes[0].Expected.Version(); exact && n != head.Version && !head.Deleted {
					return &eventstore.ConflictError{Stream: writes[0].Stream, Expected: writes[0].Expected, Actual: head.Version}
				}
				return d.Append(ctx, writes, results)
			}),
		},
		{
			fault: "writes the new part of an overlap", by: "partial overlaps are refused", words: "refused with a PartialOverlapError",
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				page, _ := d.ReadStream(ctx, eventstore.StreamRange{Stream: writes[0].Stream, Tenant: writes[0].Tenant, From: 1, Max: 1000})
				fresh := slices.DeleteFunc(slices.Clone(writes[0].Events), func(e eventstore.Event) bool {
					return slices.ContainsFunc(page.Events, func(r eventstore.Recorded) bool { return r.ID == e.ID })
				})
				if len(fresh) == 0 {
					fresh = writes[0].Events
				}
				own := slices.Clone(writes)
				own[0].Events = fresh
				return d.Append(ctx, own, results)
			}),
		},
		{fault: "forgets the IDs of erased events", by: "same IDs again after later appends and erasures", words: "as a duplicate", driver: forgetful},
		{fault: "forgets the IDs of erased events, in a random sequence", by: "one after another as the model", words: "are enough to show it", driver: forgetful},
		{fault: "writes one stream after the other", by: "all of the writes are done or none", words: `promised: "new-1" has head 0`, driver: appending(oneByOne)},
		{fault: "writes one stream after the other, in a mode table", by: "appending to two streams", words: "wholly or not at all", driver: appending(oneByOne)},
		{fault: "writes one stream after the other, at the same time", by: "at the same time as the model in some order", words: "in no order", driver: appending(oneByOne)},
		{
			fault: "ignores conditions on streams that are not written", by: "checking one stream and appending to another", words: "it was done",
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				for i, w := range writes {
					if len(w.Events) > 0 {
						return d.Append(ctx, writes[i:i+1], results[i:i+1])
					}
				}
				return d.Append(ctx, writes, results)
			}),
		},
		{
			fault: "checks conditions before it locks", by: "conditions on other streams hold while others write", words: "2 succeeded and 0 conflicted",
			driver: appending(checkedTooEarly),
		},
		{
			fault: "locks streams in the order in which they are given", by: "streams in any order never deadlock", words: "Is it a deadlock?", hangs: true,
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				var held []string
				defer func() { d.unlock(held) }()
				for _, w := range writes {
					if err := d.lock(ctx, lockKey(w.Tenant, w.Stream)); err != nil {
						return err
					}
					held = append(held, lockKey(w.Tenant, w.Stream))
					linger()
				}
				return d.Memory.Append(ctx, writes, results)
			}),
		},
		{
			fault: "has one stream for all tenants", by: "IDs are used in one stream of one tenant only", words: "one tenant only",
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				own := slices.Clone(writes)
				for i := range own {
					own[i].Tenant = ""
				}
				return d.Append(ctx, own, results)
			}),
		},
		{
			fault: "writes although its context is done", by: "a context that is done changes nothing", words: "AppendAll returns the cause",
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				return d.Append(context.WithoutCancel(ctx), writes, results)
			}),
		},
		{
			fault: "returns the error of the context in place of its cause", by: "a context that is done changes nothing", words: "the error was: eventstore: append",
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return d.Append(ctx, writes, results)
			}),
		},
		{
			fault: "is interrupted between two streams", by: "an append that is cancelled is done wholly or not at all", words: "wholly or not at all",
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				for i := range writes {
					if err := d.Append(ctx, writes[i:i+1], results[i:i+1]); err != nil {
						return err
					}
					linger()
				}
				return nil
			}),
		},
		{
			fault: "says yes when it was interrupted", by: "an append that is cancelled is done wholly or not at all", words: "returned without an error has been done",
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				linger()
				if ctx.Err() != nil {
					return nil //nolint:nilerr // this is the fault
				}
				return d.Append(ctx, writes, results)
			}),
		},
		{fault: "keeps the memory that it is given", by: "memory is not shared with callers", words: "neither what a caller does", driver: keepsMemory},
		{
			fault: "folds the case of names", by: "names of all kinds are different streams", words: "holds",
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				own := slices.Clone(writes)
				for i := range own {
					own[i].Stream = strings.ToLower(own[i].Stream)
				}
				return d.Append(ctx, own, results)
			}),
		},
		{
			fault: "ends Data at a zero byte", by: "every field comes back as it was given", words: "Data is",
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				own := slices.Clone(writes)
				for i := range own {
					own[i].Events = slices.Clone(own[i].Events)
					for j, e := range own[i].Events {
						own[i].Events[j].Data = []byte(strings.SplitN(string(e.Data), "\x00", 2)[0])
					}
				}
				return d.Append(ctx, own, results)
			}),
		},
		{
			fault: "drops the empty key", by: "every field comes back as it was given", words: "Extra is",
			driver: appending(func(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
				own := slices.Clone(writes)
				for i := range own {
					own[i].Events = slices.Clone(own[i].Events)
					for j := range own[i].Events {
						m := &own[i].Events[j].Metadata
						m.Extra = maps.Clone(m.Extra)
						delete(m.Extra, "")
					}
				}
				return d.Append(ctx, own, results)
			}),
		},
	}
}

// checkedTooEarly decides with no lock held, and then writes regardless.
func checkedTooEarly(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
	heads := func(i int) eventstore.Head { return headOf(ctx, d, writes[i]) }
	none := func(int, uuid.UUID) (eventstore.Found, bool) { return eventstore.Found{}, false }
	if _, err := eventstore.Check(writes, results, heads, none); err != nil {
		return err
	}
	linger()
	own := slices.Clone(writes)
	for i := range own {
		own[i].Expected = eventstore.Any
	}
	return d.Append(ctx, own, results)
}

func oneByOne(ctx context.Context, d *transactional, writes []eventstore.Write, results []eventstore.Appended) error {
	for i := range writes {
		if err := d.Append(ctx, writes[i:i+1], results[i:i+1]); err != nil {
			return err
		}
		linger()
	}
	return nil
}

// forgetful stores the events again whose IDs have been erased.
func forgetful(d *transactional) eventstore.Driver {
	var mu sync.Mutex
	erased := make(map[string]bool)
	return &spoilt{
		transactional: d,
		erase: func(ctx context.Context, e eventstore.Erasure) error {
			page, _ := d.ReadStream(ctx, eventstore.StreamRange{Stream: e.Stream, Tenant: e.Tenant, From: 1, Max: 1000})
			if err := d.Erase(ctx, e); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range page.Events {
				if e.Kind != eventstore.Truncate || r.Version < e.Before {
					erased[lockKey(e.Tenant, e.Stream)+r.ID.String()] = true
				}
			}
			return nil
		},
		append: func(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
			own := slices.Clone(writes)
			mu.Lock()
			for i, w := range own {
				own[i].Events = slices.Clone(w.Events)
				for j, e := range w.Events {
					if erased[lockKey(w.Tenant, w.Stream)+e.ID.String()] {
						own[i].Events[j].ID = uuid.New()
					}
				}
			}
			mu.Unlock()
			return d.Append(ctx, own, results)
		},
	}
}

// keepsMemory returns the Data that it was given, not a copy.
func keepsMemory(d *transactional) eventstore.Driver {
	kept := make(map[uuid.UUID][]byte)
	return &spoilt{
		transactional: d,
		append: func(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
			for _, e := range writes[0].Events {
				kept[e.ID] = e.Data
			}
			return d.Append(ctx, writes, results)
		},
		readStream: func(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error) {
			page, err := d.ReadStream(ctx, r)
			for i := range page.Events {
				page.Events[i].Data = kept[page.Events[i].ID]
			}
			return page, err
		},
	}
}
