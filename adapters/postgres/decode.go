package postgres

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/eventstore"
)

const (
	eventFields = 15
	pageBytes   = 8 << 20
)

// decoder turns rows of leading integers and eventColumns into events. It reads
// the binary format itself: a page of thousands of rows costs three times as
// much through Scan, which it leaves for connections that speak text.
type decoder struct {
	rows    pgx.Rows
	leading int
	binary  bool
	names   map[string]string // one copy of each name in the page
	bytes   []byte            // the page's Data, in pieces
	total   int
}

func newDecoder(rows pgx.Rows, leading int) *decoder {
	d := &decoder{rows: rows, leading: leading, binary: true, names: make(map[string]string, 16)}
	for _, field := range rows.FieldDescriptions() {
		// A text is the same in both formats.
		d.binary = d.binary && (field.Format == pgx.BinaryFormatCode || field.DataTypeOID == oidText)
	}
	return d
}

// another adds an event to decode a row into. A page that is not small soon has
// room for all it may hold.
func another(events []eventstore.Recorded, limit int) []eventstore.Recorded {
	if n := len(events); n == cap(events) {
		events = slices.Grow(events, max(1, min(limit-n, max(8*n, 8))))
	}
	return append(events, eventstore.Recorded{})
}

// row decodes the current row. It returns false if there is no event in it.
func (d *decoder) row(leading []int64, event *eventstore.Recorded) (at cursor, present bool, err error) {
	if !d.binary {
		return d.scan(leading, event)
	}
	values := d.rows.RawValues()
	if len(values) != d.leading+eventFields {
		return at, false, fmt.Errorf("row of %d columns, want %d", len(values), d.leading+eventFields)
	}
	for i := range d.leading {
		if leading[i], err = integer(values[i]); err != nil { //nolint:gosec // callers pass room for the leading columns
			return at, false, err
		}
	}
	values = values[d.leading:]
	if values[0] == nil {
		return at, false, nil
	}
	var numbers [5]int64 // version, seq, ord, microseconds, schema version
	for i, column := range [...]int{0, 1, 2, 3, 5} {
		if numbers[i], err = integer(values[column]); err != nil {
			return at, false, err
		}
	}
	if len(values[4]) != 16 {
		return at, false, fmt.Errorf("event id of %d bytes", len(values[4]))
	}
	event.Version, event.Position = numbers[0], numbers[1]
	event.Time = time.UnixMicro(numbers[3] + postgresEpoch).UTC()
	event.SchemaVersion = int(numbers[4])
	copy(event.ID[:], values[4])
	m := &event.Metadata
	m.Tenant, event.Stream, event.Type = d.name(values[6]), d.name(values[7]), d.name(values[8])
	event.Data = d.own(values[9])
	m.CorrelationID, m.CausationID = string(values[10]), string(values[11])
	m.Actor, m.TraceParent = d.name(values[12]), string(values[13])
	m.Extra, err = decodeExtra(values[14])
	return cursor{ord: numbers[2], seq: numbers[1]}, true, err
}

// postgresEpoch is 2000-01-01 in microseconds since 1970.
const postgresEpoch = 946_684_800_000_000

func integer(value []byte) (int64, error) {
	switch len(value) {
	case 8:
		return int64(binary.BigEndian.Uint64(value)), nil
	case 4:
		return int64(int32(binary.BigEndian.Uint32(value))), nil
	case 2:
		return int64(int16(binary.BigEndian.Uint16(value))), nil
	default:
		return 0, fmt.Errorf("integer of %d bytes", len(value))
	}
}

func (d *decoder) scan(leading []int64, event *eventstore.Recorded) (at cursor, present bool, err error) {
	var (
		version, seq, ord                                                       *int64
		schema                                                                  *int
		recorded                                                                *time.Time
		id                                                                      *[16]byte
		tenant, stream, kind, correlation, causation, actor, traceparent, extra *string
	)
	to := make([]any, 0, d.leading+eventFields)
	for i := range d.leading {
		to = append(to, &leading[i])
	}
	to = append(to, &version, &seq, &ord, &recorded, &id, &schema, &tenant, &stream, &kind, &event.Data,
		&correlation, &causation, &actor, &traceparent, &extra)
	if err := d.rows.Scan(to...); err != nil || version == nil {
		return at, false, err
	}
	d.total += len(event.Data)
	event.ID, event.Type, event.SchemaVersion = *id, *kind, *schema
	event.Stream, event.Version, event.Position, event.Time = *stream, *version, *seq, recorded.UTC()
	event.Metadata = eventstore.Metadata{
		CorrelationID: text(correlation), CausationID: text(causation),
		Tenant: *tenant, Actor: text(actor), TraceParent: text(traceparent),
	}
	event.Metadata.Extra, err = decodeExtra([]byte(text(extra)))
	return cursor{ord: *ord, seq: *seq}, true, err
}

func text(nullable *string) string {
	if nullable == nil {
		return ""
	}
	return *nullable
}

// name returns a string of which the page needs but one copy.
func (d *decoder) name(value []byte) string {
	if name, ok := d.names[string(value)]; ok {
		return name
	}
	name := string(value)
	if len(d.names) < 1024 {
		d.names[name] = name
	}
	return name
}

// own copies Data out of the connection's buffer, into pieces that several
// events share.
func (d *decoder) own(value []byte) []byte {
	const piece = 32 << 10
	d.total += len(value)
	if len(value) > piece/4 {
		return append([]byte(nil), value...)
	}
	if len(value) > cap(d.bytes)-len(d.bytes) {
		d.bytes = make([]byte, 0, piece)
	}
	start := len(d.bytes)
	d.bytes = append(d.bytes, value...)
	return d.bytes[start:len(d.bytes):len(d.bytes)]
}

// full tells that the page holds as much as it may.
func (d *decoder) full() bool { return d.total >= pageBytes }

func decodeExtra(text []byte) (extra map[string]string, err error) {
	if len(text) == 0 {
		return nil, nil
	}
	err = json.Unmarshal(text, &extra)
	return extra, err
}
