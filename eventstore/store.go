package eventstore

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Config sets up a Store. The zero Config works.
type Config struct {
	// Tenant owns the streams that this Store appends to and reads. With a
	// tenant, ReadAll and Subscribe see its events only; without, those of
	// every tenant.
	// Defaults to no tenant.
	Tenant string

	// MaxEventSize is the largest Data of one event, in bytes.
	// Defaults to 1 MiB.
	MaxEventSize int

	// MaxAppendEvents is how many events one append may hold, over all its
	// streams, and how many streams.
	// Defaults to 10,000.
	MaxAppendEvents int

	// Hooks are told what the store does.
	// Defaults to none.
	Hooks Hooks
}

// Hooks are called by a Store. Each may be nil. They are called in the
// goroutine of the caller, with no lock held.
type Hooks struct {
	// Appended is called after each append, also after one that failed.
	// Defaults to nothing.
	Appended func(ctx context.Context, info AppendInfo)
}

// AppendInfo is what Hooks.Appended is told.
type AppendInfo struct {
	// Writes and Results are those of the append. They must not be kept.
	Writes  []Write
	Results []Appended
	// Took is how long the append was under way.
	Took time.Duration
	// Err is what the append returned.
	Err error
}

// Store appends and reads events. It is safe for concurrent use.
// Stores over one driver may be made and dropped freely; they hold nothing.
type Store struct {
	driver Driver
	config Config
	refuse error // why the tenant is not a valid one
	// allTenants tells that reading all is not for one tenant only.
	allTenants bool
	ids        *ids
	calls      sync.Pool
}

// New returns a Store over a driver. It panics if the driver is nil or a limit
// is negative.
func New(driver Driver, config Config) *Store {
	if driver == nil {
		panic("eventstore: New: driver is nil")
	}
	if config.MaxEventSize < 0 || config.MaxAppendEvents < 0 {
		panic(fmt.Sprintf("eventstore: New: negative limit: MaxEventSize %d, MaxAppendEvents %d",
			config.MaxEventSize, config.MaxAppendEvents))
	}
	if config.MaxEventSize == 0 {
		config.MaxEventSize = 1 << 20
	}
	if config.MaxAppendEvents == 0 {
		config.MaxAppendEvents = 10_000
	}
	return &Store{
		driver: driver, config: config, ids: new(ids),
		allTenants: config.Tenant == "",
		refuse:     checkText("tenant", config.Tenant, maxName),
	}
}

// ForTenant returns a Store like this one for the streams of one tenant. A
// tenant has up to 255 bytes of UTF-8 without NUL; the Store of another one
// refuses all calls with an error that matches ErrInvalid.
//
// The empty tenant owns the streams of a Store without a tenant; but this Store
// reads theirs only, so that a tenant who is missing by mistake does not see
// what belongs to the others.
func (s *Store) ForTenant(tenant string) *Store {
	config := s.config
	config.Tenant = tenant
	return &Store{driver: s.driver, config: config, ids: s.ids, refuse: checkText("tenant", tenant, maxName)}
}

// Tenant returns the tenant of this Store, "" for none.
func (s *Store) Tenant() string { return s.config.Tenant }

// call holds the slices of one append, so that the common case of one stream
// allocates nothing.
type call struct {
	writes  [1]Write
	results [1]Appended
}

// Append adds events to the end of a stream if the stream is as expected. It
// adds all of them or none, and returns once they are durable. The same event
// IDs again return the first result, whatever is expected; so after an error
// that leaves the outcome open, such as a timeout, call Append again with the
// same slice. Append fills in the IDs and schema versions that are zero.
//
// Without events it checks the stream, and returns its version.
//
// It returns errors that match ErrConflict, ErrTombstoned, ErrPartialOverlap,
// ErrInvalid, the cause of ctx, or the driver's.
func (s *Store) Append(ctx context.Context, stream string, expected Expected, events ...Event) (Appended, error) {
	c, _ := s.calls.Get().(*call)
	if c == nil {
		c = new(call)
	}
	c.writes[0] = Write{Stream: stream, Expected: expected, Events: events}
	err := s.append(ctx, c.writes[:], c.results[:])
	result := c.results[0]
	*c = call{}
	s.calls.Put(c)
	if err != nil {
		return Appended{}, fmt.Errorf("eventstore: append to %q: %w", stream, err)
	}
	return result, nil
}

// AppendAll is Append for several streams at once: all of the writes are done
// if every stream is as expected, else none. A write without events checks its
// stream only. No stream may stand twice. The results are in the order of the
// writes.
func (s *Store) AppendAll(ctx context.Context, writes ...Write) ([]Appended, error) {
	if len(writes) == 0 {
		return nil, nil
	}
	own := append([]Write(nil), writes...)
	results := make([]Appended, len(writes))
	if err := s.append(ctx, own, results); err != nil {
		return nil, fmt.Errorf("eventstore: append to %d streams: %w", len(writes), err)
	}
	return results, nil
}

func (s *Store) append(ctx context.Context, writes []Write, results []Appended) error {
	hook := s.config.Hooks.Appended
	var start time.Time
	if hook != nil {
		start = time.Now()
	}
	err := s.prepare(writes)
	if err == nil {
		err = s.driver.Append(ctx, writes, results)
	}
	if hook != nil {
		hook(ctx, AppendInfo{Writes: writes, Results: results, Took: time.Since(start), Err: err})
	}
	return err
}
