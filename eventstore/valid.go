package eventstore

import (
	"strings"
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

// prepare checks the writes, and fills in what may be left out.
func (s *Store) prepare(writes []Write) error {
	if s.refuse != nil {
		return s.refuse
	}
	if err := s.checkStreams(writes); err != nil {
		return err
	}
	total := 0
	for i := range writes {
		w := &writes[i]
		if w.Tenant != "" && w.Tenant != s.config.Tenant {
			return s.foreignTenant(w.Stream, w.Tenant)
		}
		w.Tenant = s.config.Tenant
		if w.Expected < StreamExists {
			return invalidf("stream %q: %s", w.Stream, w.Expected)
		}
		total += len(w.Events)
		if total > s.config.MaxAppendEvents {
			return invalidf("more than %d events in one append", s.config.MaxAppendEvents)
		}
		if err := s.prepareEvents(w); err != nil {
			return err
		}
	}
	return nil
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

func (s *Store) checkStreams(writes []Write) error {
	if len(writes) > s.config.MaxAppendEvents {
		return invalidf("more than %d streams in one append", s.config.MaxAppendEvents)
	}
	for i := range writes {
		if err := checkStream(writes[i].Stream); err != nil {
			return err
		}
	}
	if i := twin(len(writes), func(i int) string { return writes[i].Stream }); i >= 0 {
		return invalidf("stream %q stands twice in one append", writes[i].Stream)
	}
	return nil
}

func checkDistinct(w *Write) error {
	if i := twin(len(w.Events), func(i int) uuid.UUID { return w.Events[i].ID }); i >= 0 {
		return invalidf("stream %q: event ID %s stands twice", w.Stream, w.Events[i].ID)
	}
	return nil
}

// twin returns the index of a key that stood before, or -1. Few keys are
// compared in pairs, since a map would cost more.
func twin[K comparable](n int, key func(i int) K) int {
	const few = 16
	if n <= few {
		for i := range n {
			for j := range i {
				if key(i) == key(j) {
					return i
				}
			}
		}
		return -1
	}
	seen := make(map[K]struct{}, n)
	for i := range n {
		if _, twice := seen[key(i)]; twice {
			return i
		}
		seen[key(i)] = struct{}{}
	}
	return -1
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
	if m.Tenant == "" && s.config.Tenant != "" { // callers may share events
		m.Tenant = s.config.Tenant
	}
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

func (s *Store) checkFilter(f Filter) error {
	if s.refuse != nil {
		return s.refuse
	}
	for _, category := range f.Categories {
		if err := checkText("category", category, maxStreamName); err != nil {
			return err
		}
	}
	for _, name := range f.Types {
		if err := checkText("type", name, maxName); err != nil {
			return err
		}
	}
	return nil
}
