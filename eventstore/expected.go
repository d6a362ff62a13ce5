package eventstore

import (
	"math"
	"strconv"
)

// Expected is what must be true of a stream for an append to take place.
//
//	                 absent    present    deleted    tombstoned
//	Any              yes       yes        yes        no
//	NoStream         yes       no         yes        no
//	StreamExists     no        yes        no         no
//	Exact(n), n > 0  no        head = n   head = n   no
//
// A stream whose events have all been truncated is present. An append without
// events only checks, and then Any and NoStream hold for a tombstoned stream
// too. The table is KurrentDB's.
type Expected int64

const (
	// Any asks for nothing. It never conflicts.
	Any Expected = -1

	// NoStream asks that the stream has no events, or was deleted since. A
	// deleted stream goes on from its last version.
	NoStream Expected = 0

	// StreamExists asks that the stream has had an event and is not deleted.
	StreamExists Expected = -2

	invalidExpected Expected = math.MinInt64
)

// Exact asks that the last event ever appended to the stream has this version.
// Exact(0) is NoStream. A negative version makes Append return an error that
// matches ErrInvalid.
func Exact(version int64) Expected {
	if version < 0 {
		return invalidExpected
	}
	return Expected(version)
}

// Version returns n for Exact(n), and 0 and false for Any and StreamExists.
func (e Expected) Version() (int64, bool) {
	return max(int64(e), 0), e >= 0
}

func (e Expected) String() string {
	switch {
	case e == Any:
		return "any version"
	case e == NoStream:
		return "no stream"
	case e == StreamExists:
		return "an existing stream"
	case e > 0:
		return "version " + strconv.FormatInt(int64(e), 10)
	default:
		return "invalid expected version"
	}
}

func (e Expected) holds(h Head) bool {
	switch e {
	case Any:
		return true
	case NoStream:
		return h.Version == 0 || h.Deleted || h.Tombstoned
	case StreamExists:
		return h.Version > 0 && !h.Deleted && !h.Tombstoned
	default:
		return h.Version == int64(e) && !h.Tombstoned
	}
}
