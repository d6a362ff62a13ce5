package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/eventstore"
)

// prepared is a statement of the append path. Its arguments are encoded here,
// column by column, in PostgreSQL's binary format: an array of a group's values
// costs one allocation, where pgx would box each value.
type prepared struct{ name, sql string }

func prepare(sql string) prepared {
	sum := sha256.Sum256([]byte(sql))
	return prepared{name: "parlance_" + hex.EncodeToString(sum[:12]), sql: sql}
}

var binaryFormat = []int16{pgx.BinaryFormatCode}

// query calls row for every row of the result, with values that are gone after
// the call. Every column must be an integer.
func (p prepared) query(ctx context.Context, conn *pgx.Conn, args [][]byte, row func(values []int64) error) error {
	if _, err := conn.Prepare(ctx, p.name, p.sql); err != nil {
		return err
	}
	result := conn.PgConn().ExecPrepared(ctx, p.name, args, binaryFormat, binaryFormat)
	var values []int64
	var failed error
	for result.NextRow() && failed == nil {
		values = values[:0]
		for _, raw := range result.Values() {
			value, err := integer(raw)
			if err != nil {
				failed = err
			}
			values = append(values, value)
		}
		if failed == nil {
			failed = row(values)
		}
	}
	if _, err := result.Close(); err != nil {
		return err
	}
	return failed
}

// Types of array elements, as in pg_type.
const (
	oidBytea = 17
	oidInt8  = 20
	oidInt4  = 23
	oidText  = 25
	oidUUID  = 2950
)

func wireInt8(value int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(value))
}

func wireInt4(value int) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(value))
}

// wireText returns NULL for nothing, which is how empty metadata is stored.
func wireText(value string) []byte {
	if value == "" {
		return nil
	}
	return []byte(value)
}

// wireData tells empty data from erased data, which is NULL.
func wireData(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

func wireExtra(extra map[string]string) ([]byte, error) {
	if len(extra) == 0 {
		return nil, nil
	}
	return json.Marshal(extra)
}

// wireArray begins an array of n elements without NULLs, or with them.
func wireArray(oid uint32, n, size int) []byte {
	array := make([]byte, 0, 20+n*(4+size))
	array = binary.BigEndian.AppendUint32(array, 1) // dimensions
	array = binary.BigEndian.AppendUint32(array, 1) // there may be NULLs
	array = binary.BigEndian.AppendUint32(array, oid)
	array = binary.BigEndian.AppendUint32(array, uint32(n))
	return binary.BigEndian.AppendUint32(array, 1) // the first index
}

func wireElement[T string | []byte](array []byte, value T) []byte {
	array = binary.BigEndian.AppendUint32(array, uint32(len(value)))
	return append(array, value...)
}

func wireNull(array []byte) []byte { return binary.BigEndian.AppendUint32(array, 1<<32-1) }

func wireInts(values []int64) []byte {
	array := wireArray(oidInt8, len(values), 8)
	for _, value := range values {
		array = binary.BigEndian.AppendUint32(array, 8)
		array = binary.BigEndian.AppendUint64(array, uint64(value))
	}
	return array
}

func wireTexts(values []string) []byte {
	total := 0
	for _, value := range values {
		total += len(value)
	}
	array := wireArray(oidText, len(values), total/max(len(values), 1)+1)
	for _, value := range values {
		array = wireElement(array, value)
	}
	return array
}

// wireNames is the array of one text of each event. Where it is empty in all of
// them the array is NULL, and unnest makes NULLs.
func wireNames(events []*eventstore.Event, of func(*eventstore.Event) string) []byte {
	total := 0
	for _, e := range events {
		total += len(of(e))
	}
	if total == 0 {
		return nil
	}
	array := wireArray(oidText, len(events), total/len(events)+1)
	for _, e := range events {
		if value := of(e); value != "" {
			array = wireElement(array, value)
		} else {
			array = wireNull(array)
		}
	}
	return array
}

// wireEvents are the arrays of what events hold: event_id, schema_version, type,
// data, correlation_id, causation_id, actor, traceparent, extra.
func wireEvents(args [][]byte, events []*eventstore.Event) ([][]byte, error) {
	bytes := 0
	for _, e := range events {
		bytes += len(e.Data)
	}
	ids := wireArray(oidUUID, len(events), 16)
	schemas := wireArray(oidInt4, len(events), 4)
	data := wireArray(oidBytea, len(events), bytes/max(len(events), 1)+1)
	var extras []byte
	for i, e := range events {
		ids = wireElement(ids, e.ID[:])
		schemas = binary.BigEndian.AppendUint32(schemas, 4)
		schemas = append(schemas, wireInt4(e.SchemaVersion)...)
		data = wireElement(data, e.Data)
		if extras == nil && len(e.Metadata.Extra) > 0 {
			extras = wireArray(oidText, len(events), 64)
			for range i {
				extras = wireNull(extras)
			}
		}
		if extras == nil {
			continue
		}
		extra, err := wireExtra(e.Metadata.Extra)
		if err != nil {
			return nil, err
		}
		if extra == nil {
			extras = wireNull(extras)
		} else {
			extras = wireElement(extras, extra)
		}
	}
	return append(args, ids, schemas,
		wireNames(events, func(e *eventstore.Event) string { return e.Type }),
		data,
		wireNames(events, func(e *eventstore.Event) string { return e.Metadata.CorrelationID }),
		wireNames(events, func(e *eventstore.Event) string { return e.Metadata.CausationID }),
		wireNames(events, func(e *eventstore.Event) string { return e.Metadata.Actor }),
		wireNames(events, func(e *eventstore.Event) string { return e.Metadata.TraceParent }),
		extras,
	), nil
}
