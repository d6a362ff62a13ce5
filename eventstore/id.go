package eventstore

import (
	"crypto/rand"
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// ids makes UUIDs of version 7 (RFC 9562, section 5.7) that grow: each is
// greater than the one before from the same ids. It is safe for concurrent use,
// and allocates nothing.
//
// The 12 bits after the milliseconds are a fraction of a millisecond (section
// 6.2, method 3). When the clock has not moved, or was set back, counting goes
// on from the last ID instead. The other 62 bits are random.
type ids struct{ last atomic.Uint64 }

func (s *ids) next() uuid.UUID { return s.at(time.Now()) }

func (s *ids) at(now time.Time) (id uuid.UUID) {
	_, _ = rand.Read(id[8:]) // never fails: see crypto/rand
	ticks := s.tick(now)
	binary.BigEndian.PutUint64(id[:8], ticks>>12<<16|0x7000|ticks&0xfff)
	id[8] = id[8]&0x3f | 0x80
	return id
}

// tick returns now in 4096ths of a millisecond since 1970, or one tick more
// than the last time.
func (s *ids) tick(now time.Time) uint64 {
	nano := uint64(max(now.UnixNano(), 0))
	const perMilli = uint64(time.Millisecond)
	clock := nano/perMilli<<12 | nano%perMilli<<12/perMilli
	for {
		last := s.last.Load()
		ticks := max(clock, last+1)
		if s.last.CompareAndSwap(last, ticks) {
			return ticks
		}
	}
}
