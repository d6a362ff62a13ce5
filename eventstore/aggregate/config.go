package aggregate

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parlance-go/parlance/eventstore"
)

// Config sets up a Repository or Roots: S is the type of an aggregate's state,
// E that of its events.
type Config[S, E any] struct {
	// Store keeps the events. Required.
	Store *eventstore.Store

	// Category is what the names of the streams begin with: with "content", the
	// aggregate "42" is the stream "content-42". It has 1 to 100 bytes of UTF-8,
	// no hyphen and no control characters. Required.
	Category string

	// Events encodes and decodes events. Required.
	Events *eventstore.Registry[E]

	// MaxAttempts is how many times a command is decided when others keep
	// appending to the same stream. Between attempts there is a random pause, of
	// up to 1 ms at first and up to 100 ms in the end.
	// Defaults to 12.
	MaxAttempts int

	// Snapshots keeps states, so that not all events need to be folded.
	// Defaults to none.
	Snapshots SnapshotStore

	// SnapshotEvery is how many events must have been folded since the last
	// snapshot for a new one to be saved.
	// Defaults to 100.
	SnapshotEvery int

	// StateVersion is the version of the layout and the meaning of S. Change it
	// whenever folding the same events would give another state or another
	// encoding of it: snapshots of other versions are not looked at.
	// Defaults to 1.
	StateVersion int

	// StateCodec encodes and decodes the state in a snapshot. Together they must
	// give the same state back, or later states will be wrong.
	// Defaults to JSON for states without unexported fields and pointers; others
	// are not saved, and Hooks.Snapshot is told.
	StateCodec eventstore.Codec[S]

	// Hooks are told what is done.
	Hooks Hooks
}

const maxCategory = 100

// complete returns the config with its defaults, or an error that names the
// field that is wrong. blank makes the state of an aggregate without events.
func (c Config[S, E]) complete(blank func() S) (Config[S, E], error) {
	switch {
	case c.Store == nil:
		return c, invalidf("Store is nil")
	case c.Events == nil:
		return c, invalidf("Events is nil")
	case c.Category == "" || len(c.Category) > maxCategory:
		return c, invalidf("Category %.80q: want 1 to %d bytes, not %d", c.Category, maxCategory, len(c.Category))
	case strings.Contains(c.Category, "-") || !utf8.ValidString(c.Category) || strings.ContainsFunc(c.Category, unicode.IsControl):
		return c, invalidf("Category %q: want UTF-8 without hyphens and control characters", c.Category)
	case c.MaxAttempts < 0:
		return c, invalidf("MaxAttempts is %d", c.MaxAttempts)
	case c.SnapshotEvery < 0:
		return c, invalidf("SnapshotEvery is %d", c.SnapshotEvery)
	case c.StateVersion < 0:
		return c, invalidf("StateVersion is %d", c.StateVersion)
	case (c.StateCodec.Encode == nil) != (c.StateCodec.Decode == nil):
		return c, invalidf("StateCodec has only one of Encode and Decode")
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = 12
	}
	if c.SnapshotEvery == 0 {
		c.SnapshotEvery = 100
	}
	if c.StateVersion == 0 {
		c.StateVersion = 1
	}
	if c.StateCodec.Encode == nil {
		c.StateCodec = jsonState(blank)
	}
	return c, nil
}

// stream returns the name of an aggregate's stream.
func (c *Config[S, E]) stream(id string) (string, error) {
	if id == "" {
		return "", fmt.Errorf("aggregate: %w", invalidf("the ID of a %q is empty", c.Category))
	}
	return c.Category + "-" + id, nil
}
