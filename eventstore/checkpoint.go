package eventstore

import (
	"fmt"
	"strconv"
	"strings"
)

const maxCheckpointText = 1 << 20

// Checkpoint tells how far a reader of all events has got. The zero Checkpoint is
// before the first event. Checkpoints can be compared for equality, and kept as
// text; they have no order, and mean something only to the store that gave them
// out, or to one restored from its dump.
type Checkpoint struct {
	base   string
	offset int64
}

// NewCheckpoint is for drivers: base and offset mean what the driver wants.
func NewCheckpoint(base string, offset int64) Checkpoint {
	return Checkpoint{base: base, offset: offset}
}

// ParseCheckpoint reads what [Checkpoint.String] wrote. The error matches
// ErrCheckpoint.
func ParseCheckpoint(text string) (Checkpoint, error) {
	if text == "" {
		return Checkpoint{}, nil
	}
	if len(text) > maxCheckpointText {
		return Checkpoint{}, fmt.Errorf("eventstore: %w: %d bytes are too many", ErrCheckpoint, len(text))
	}
	number, base, _ := strings.Cut(text, "@")
	offset, err := strconv.ParseInt(number, 10, 64)
	checkpoint := Checkpoint{base: base, offset: offset}
	if err != nil || checkpoint.String() != text {
		return Checkpoint{}, fmt.Errorf("eventstore: %w: %.40q", ErrCheckpoint, text)
	}
	return checkpoint, nil
}

// Parts returns what NewCheckpoint was given. It is for drivers.
func (c Checkpoint) Parts() (base string, offset int64) { return c.base, c.offset }

// IsZero tells whether the checkpoint is before the first event.
func (c Checkpoint) IsZero() bool { return c == Checkpoint{} }

// String returns the checkpoint as text for ParseCheckpoint. The text of the
// zero Checkpoint is empty.
func (c Checkpoint) String() string {
	if c.IsZero() {
		return ""
	}
	number := strconv.FormatInt(c.offset, 10)
	if c.base == "" {
		return number
	}
	return number + "@" + c.base
}

// MarshalText returns the bytes of String.
func (c Checkpoint) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is ParseCheckpoint.
func (c *Checkpoint) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCheckpoint(string(text))
	return err
}
