package eventstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

const (
	maxStreamName    = 512
	maxName          = 255
	maxSchemaVersion = 1<<31 - 1
	maxExtra         = 256
	maxFreeText      = 8 << 10
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
	// streams.
	// Defaults to 10,000.
	MaxAppendEvents int

	// Hooks are told what the store does.
	Hooks Hooks
}

// Hooks are called by a Store. Each may be nil. They are called in the
// goroutine of the caller, with no lock held.
type Hooks struct {
	// Appended is called after each append.
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
	ids    *ids
	calls  sync.Pool
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
	return &Store{driver: driver, config: config, ids: new(ids)}
}

// ForTenant returns a Store like this one for the streams of one tenant.
func (s *Store) ForTenant(tenant string) *Store {
	config := s.config
	config.Tenant = tenant
	return &Store{driver: s.driver, config: config, ids: s.ids}
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

// prepare checks the writes, and fills in what may be left out.
func (s *Store) prepare(writes []Write) error {
	total := 0
	for i := range writes {
		w := &writes[i]
		if err := checkStream(w.Stream); err != nil {
			return err
		}
		if w.Tenant != "" && w.Tenant != s.config.Tenant {
			return s.foreignTenant(w.Stream, w.Tenant)
		}
		w.Tenant = s.config.Tenant
		if w.Expected < StreamExists {
			return invalidf("stream %q: %s", w.Stream, w.Expected)
		}
		for j := range i {
			if writes[j].Stream == w.Stream {
				return invalidf("stream %q stands twice in one append", w.Stream)
			}
		}
		total += len(w.Events)
		if total > s.config.MaxAppendEvents {
			return invalidf("more than %d events in one append", s.config.MaxAppendEvents)
		}
		if err := s.prepareEvents(w); err != nil {
			return err
		}
	}
	return checkText("tenant", s.config.Tenant, maxName)
}

func (s *Store) prepareEvents(w *Write) error {
	for i := range w.Events {
		e := &w.Events[i]
		if err := s.checkEvent(w.Stream, i, e); err != nil {
			return err
		}
		if e.ID == uuid.Nil {
			e.ID = s.ids.next()
		}
		if e.SchemaVersion == 0 {
			e.SchemaVersion = 1
		}
	}
	return checkDistinct(w)
}

// checkDistinct refuses an ID that stands twice. Few events are compared in
// pairs, since a map would cost more.
func checkDistinct(w *Write) error {
	const few = 16
	if len(w.Events) <= few {
		for i := range w.Events {
			for j := range i {
				if w.Events[i].ID == w.Events[j].ID {
					return invalidf("stream %q: event ID %s stands twice", w.Stream, w.Events[i].ID)
				}
			}
		}
		return nil
	}
	seen := make(map[uuid.UUID]struct{}, len(w.Events))
	for i := range w.Events {
		if _, twice := seen[w.Events[i].ID]; twice {
			return invalidf("stream %q: event ID %s stands twice", w.Stream, w.Events[i].ID)
		}
		seen[w.Events[i].ID] = struct{}{}
	}
	return nil
}

func (s *Store) checkEvent(stream string, i int, e *Event) error {
	if e.Type == "" {
		return invalidf("stream %q: event %d has no Type", stream, i)
	}
	if e.SchemaVersion < 0 || e.SchemaVersion > maxSchemaVersion {
		return invalidf("stream %q: event %d (%.80q) has SchemaVersion %d", stream, i, e.Type, e.SchemaVersion)
	}
	if len(e.Data) > s.config.MaxEventSize {
		return invalidf("stream %q: event %d (%.80q) has %d bytes of Data, the limit is %d",
			stream, i, e.Type, len(e.Data), s.config.MaxEventSize)
	}
	m := &e.Metadata
	if m.Tenant != "" && m.Tenant != s.config.Tenant {
		return s.foreignTenant(stream, m.Tenant)
	}
	m.Tenant = s.config.Tenant
	for _, field := range [...]struct{ name, value string }{
		{"Type", e.Type},
		{"CorrelationID", m.CorrelationID},
		{"CausationID", m.CausationID},
		{"Actor", m.Actor},
		{"TraceParent", m.TraceParent},
	} {
		if err := checkText(field.name, field.value, maxName); err != nil {
			return invalidf("stream %q: event %d (%.80q): %s", stream, i, e.Type, err)
		}
	}
	if len(m.Extra) > maxExtra {
		return invalidf("stream %q: event %d (%.80q) has %d pairs in Extra, the limit is %d",
			stream, i, e.Type, len(m.Extra), maxExtra)
	}
	for key, value := range m.Extra {
		if checkText("key", key, maxName) != nil || checkText("value", value, maxFreeText) != nil {
			return invalidf("stream %q: event %d (%.80q): Extra %.80q: want UTF-8 without NUL, keys up to %d bytes, values up to %d",
				stream, i, e.Type, key, maxName, maxFreeText)
		}
	}
	return nil
}

func (s *Store) foreignTenant(stream, tenant string) error {
	return invalidf("stream %q: tenant %.80q is not the store's tenant %q: use ForTenant", stream, tenant, s.config.Tenant)
}

func checkStream(name string) error {
	if name == "" || len(name) > maxStreamName {
		return invalidf("stream name %.80q: want 1 to %d bytes, not %d", name, maxStreamName, len(name))
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return invalidf("stream name %.80q: want UTF-8 without control characters", name)
	}
	return nil
}

func checkText(name, value string, limit int) error {
	if value == "" {
		return nil
	}
	if len(value) > limit {
		return invalidf("%s has %d bytes, the limit is %d", name, len(value), limit)
	}
	if strings.IndexByte(value, 0) >= 0 || !utf8.ValidString(value) {
		return invalidf("%s %.80q: want UTF-8 without NUL", name, value)
	}
	return nil
}
