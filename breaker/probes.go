package breaker

import (
	"sync/atomic"
	"time"
)

// probes are the leases of a half-open phase. All but busy is guarded by the mu
// of the breaker.
type probes struct {
	issued    uint64
	succeeded int
	leases    []lease // under way, in the order of their ends
	// busy is until when all are taken, unless one comes back before. It lets
	// the calls that are rejected meanwhile do without the lock.
	busy atomic.Int64
}

type lease struct {
	id   uint64
	ends time.Duration
}

func (p *probes) busyUntil() time.Duration { return time.Duration(p.busy.Load()) }

// underWay returns how many leases have not ended.
func (p *probes) underWay(now time.Duration) int {
	n := len(p.leases)
	for _, l := range p.leases {
		if now < l.ends {
			break
		}
		n--
	}
	return n
}

// room reports whether a call could probe.
func (p *probes) room(now time.Duration, c *Config) bool {
	n := p.underWay(now)
	return n < c.ConcurrentProbes && p.succeeded+n < c.Probes
}

// take returns the number of a new lease, or 0 if all are taken.
func (p *probes) take(now time.Duration, c *Config) uint64 {
	p.expire(now)
	if p.room(now, c) {
		p.issued++
		p.leases = append(p.leases, lease{id: p.issued, ends: later(now, c.ProbeTimeout)})
		return p.issued
	}
	p.busy.Store(int64(p.leases[0].ends))
	return 0
}

// giveBack ends a lease and reports whether it had still been valid.
func (p *probes) giveBack(id uint64, now time.Duration) bool {
	p.expire(now)
	for i, l := range p.leases {
		if l.id == id {
			p.leases = append(p.leases[:i], p.leases[i+1:]...)
			p.busy.Store(0)
			return true
		}
	}
	return false
}

func (p *probes) expire(now time.Duration) {
	p.leases = p.leases[len(p.leases)-p.underWay(now):]
}
