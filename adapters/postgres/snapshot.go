package postgres

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/parlance-go/parlance/eventstore"
)

// snapshot is what PostgreSQL calls a pg_snapshot, with its transaction ids
// lifted by the base of its epoch: all below xmin have ended, none from xmax on
// has, and between them those in running have not.
type snapshot struct {
	xmin, xmax int64
	running    []int64
}

// everything is the snapshot that hides nothing.
var everything = snapshot{xmin: math.MaxInt64, xmax: math.MaxInt64}

// parseSnapshot reads "xmin:xmax:xip,xip".
func parseSnapshot(text string, base int64) (snapshot, error) {
	var s snapshot
	low, rest, _ := strings.Cut(text, ":")
	high, list, found := strings.Cut(rest, ":")
	var errLow, errHigh error
	s.xmin, errLow = strconv.ParseInt(low, 10, 64)
	s.xmax, errHigh = strconv.ParseInt(high, 10, 64)
	if !found || errLow != nil || errHigh != nil || s.xmin < 0 || s.xmax < s.xmin || s.xmax > math.MaxInt64-base {
		return snapshot{}, fmt.Errorf("snapshot %.80q", text)
	}
	previous := s.xmin - 1
	for id := range strings.SplitSeq(list, ",") {
		if list == "" {
			break
		}
		x, err := strconv.ParseInt(id, 10, 64)
		if err != nil || x <= previous || x >= s.xmax {
			return snapshot{}, fmt.Errorf("snapshot %.80q", text)
		}
		previous = x
		s.running = append(s.running, x+base)
	}
	s.xmin += base
	s.xmax += base
	return s, nil
}

func (s snapshot) append(text []byte) []byte {
	text = strconv.AppendInt(text, s.xmin, 10)
	text = append(text, ':')
	text = strconv.AppendInt(text, s.xmax, 10)
	text = append(text, ':')
	for i, x := range s.running {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, x, 10)
	}
	return text
}

// before returns the snapshot as it was if nothing from limit on had existed.
func (s snapshot) before(limit int64) snapshot {
	if s.xmax <= limit {
		return s
	}
	i, _ := slices.BinarySearch(s.running, limit)
	return snapshot{xmin: min(s.xmin, limit), xmax: limit, running: s.running[:i]}
}

// cursor is a place among the events, which are ordered by (ord, seq).
type cursor struct{ ord, seq int64 }

// progress is what a checkpoint says: a reader has had all that was visible in
// seen. If it is in the middle of what has become visible since, that is what
// next shows and seen does not, and it has had those up to at.
type progress struct {
	seen snapshot
	next *snapshot
	at   cursor
}

// The text of a checkpoint's base is the epoch's lineage, a slash, and the
// snapshot seen; in the middle, also "/", the snapshot next, "/", and a cursor
// from which the checkpoint's offset counts.
const (
	seqBits = 32
	ordBits = 62 - seqBits
)

// checkpoints makes the checkpoints of one page; it builds a text once for as
// many events as it can.
type checkpoints struct {
	prefix []byte
	origin cursor
	base   string
}

func newCheckpoints(e *epoch, p progress) *checkpoints {
	c := &checkpoints{prefix: checkpointBase(e, p.seen)}
	c.prefix = append(c.prefix, '/')
	c.prefix = p.next.append(c.prefix)
	c.prefix = append(c.prefix, '/')
	return c
}

func checkpointBase(e *epoch, s snapshot) []byte {
	text := append([]byte(e.lineage()), '/')
	return s.append(text)
}

// at returns the checkpoint just after the event at a cursor.
func (c *checkpoints) at(place cursor) eventstore.Checkpoint {
	const half = 1 << (seqBits - 1)
	ord, seq := place.ord-c.origin.ord, place.seq-c.origin.seq+half
	if c.base == "" || ord < 0 || ord >= 1<<ordBits || seq < 0 || seq >= 1<<seqBits {
		c.origin = place
		text := strconv.AppendInt(slices.Clip(c.prefix), place.ord, 10)
		text = append(text, '.')
		c.base = string(strconv.AppendInt(text, place.seq, 10))
		ord, seq = 0, half
	}
	return eventstore.NewCheckpoint(c.base, ord<<seqBits|seq)
}

// after returns the checkpoint of a reader that has had all of a snapshot.
func after(e *epoch, s snapshot) eventstore.Checkpoint {
	return eventstore.NewCheckpoint(string(checkpointBase(e, s)), 0)
}

// parseCheckpoint reads a checkpoint for the current epoch. One from another
// epoch has seen nothing of what came after their last common one: neither what
// was lost with the other epoch, nor what this history has instead.
func parseCheckpoint(checkpoint eventstore.Checkpoint, now *epoch) (progress, error) {
	if checkpoint.IsZero() {
		return progress{}, nil
	}
	text, offset := checkpoint.Parts()
	invalid := fmt.Errorf("%w: %.80q", eventstore.ErrCheckpoint, text)
	parts := strings.Split(text, "/")
	if len(parts) != 2 && len(parts) != 4 {
		return progress{}, invalid
	}
	limit, related := now.limit(parts[0])
	if !related {
		return progress{}, invalid
	}
	var p progress
	var err error
	if p.seen, err = parseSnapshot(parts[1], 0); err != nil {
		return progress{}, invalid
	}
	p.seen = p.seen.before(limit)
	if len(parts) == 2 {
		if offset != 0 {
			return progress{}, invalid
		}
		return p, nil
	}
	next, err := parseSnapshot(parts[2], 0)
	if err != nil {
		return progress{}, invalid
	}
	next = next.before(limit)
	p.next = &next
	ord, seq, found := strings.Cut(parts[3], ".")
	var errOrd, errSeq error
	p.at.ord, errOrd = strconv.ParseInt(ord, 10, 64)
	p.at.seq, errSeq = strconv.ParseInt(seq, 10, 64)
	if !found || errOrd != nil || errSeq != nil || offset < 0 || offset >= 1<<(seqBits+ordBits) ||
		max(p.at.ord, p.at.seq) > 1<<62 {
		return progress{}, invalid
	}
	p.at.ord += offset >> seqBits
	p.at.seq += offset&(1<<seqBits-1) - 1<<(seqBits-1)
	if p.at.ord < 0 || p.at.seq < 0 {
		return progress{}, invalid
	}
	return p, nil
}
