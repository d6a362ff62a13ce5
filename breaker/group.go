package breaker

import (
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"
	"weak"
)

const (
	defaultMaxBreakers = 10_000
	defaultIdleTimeout = 10 * time.Minute
	// leastIdle is how often a group sweeps at most, so that a wrong unit in the
	// Config does not keep a processor busy.
	leastIdle = time.Millisecond
)

// GroupConfig says how a [Group] makes and keeps its breakers.
type GroupConfig struct {
	// Breaker is the Config of each breaker. Its Name is put before the key, with
	// a slash in between, unless it is empty.
	Breaker Config

	// Configure returns the Config for one key, given Breaker with its name. What
	// it returns must be valid, or [Group.For] panics. It is called without a
	// lock, by several goroutines at once, also for the same key: then the first
	// breaker made stays.
	// Defaults to Breaker for every key.
	Configure func(key string, c Config) Config

	// MaxBreakers bounds the number of breakers. When it is reached, the least
	// recently used one that is closed makes room, or, if all are open, the least
	// recently used one. "Recently" is as exact as one bit can be.
	// Defaults to 10,000.
	MaxBreakers int

	// IdleTimeout is how long a closed breaker stays without being used. It is gone
	// when twice that time is over, give or take a millisecond.
	// Defaults to 10 min.
	IdleTimeout time.Duration
}

// A Group keeps one breaker for each key: a host, a tenant. Make one with
// [NewGroup]. All its methods are safe for concurrent use.
//
// A breaker that is dropped is forgotten, with a mode that SetMode gave it: give
// a key the mode it shall keep with [GroupConfig.Configure].
type Group struct {
	config GroupConfig

	// entries finds the *entry of a key without a lock. It changes under mu.
	entries sync.Map

	mu    sync.Mutex // never held while Configure runs
	queue queue
	// sweeping tells that a timer will call sweep: as long as there are breakers.
	sweeping bool
}

// NewGroup returns a group without breakers. The error names the field that is
// wrong.
func NewGroup(c GroupConfig) (*Group, error) {
	if _, err := New(c.Breaker); err != nil {
		return nil, err
	}
	if c.MaxBreakers < 0 {
		return nil, fmt.Errorf("breaker: GroupConfig.MaxBreakers is %d, want at least 0", c.MaxBreakers)
	}
	if c.IdleTimeout < 0 {
		return nil, fmt.Errorf("breaker: GroupConfig.IdleTimeout is %v, want at least 0", c.IdleTimeout)
	}
	if c.MaxBreakers == 0 {
		c.MaxBreakers = defaultMaxBreakers
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = defaultIdleTimeout
	}
	return &Group{config: c}, nil
}

// For returns the breaker of a key, and makes it if there is none. Callers should
// not keep it: a group drops what is not asked for.
func (g *Group) For(key string) *Breaker {
	if found, ok := g.entries.Load(key); ok {
		return found.(*entry).use()
	}
	made := g.build(key)
	g.mu.Lock()
	defer g.mu.Unlock()
	if found, ok := g.entries.Load(key); ok {
		return found.(*entry).use()
	}
	g.makeRoom()
	g.queue.add(made)
	g.entries.Store(made.key, made)
	g.sweepLater()
	return made.breaker
}

// Len returns how many breakers there are.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.queue.len()
}

// All yields the breakers there are, in no order. Looking at them is not using
// them. Those that come or go meanwhile may be missing.
func (g *Group) All() iter.Seq2[string, *Breaker] {
	return func(yield func(string, *Breaker) bool) {
		g.entries.Range(func(key, found any) bool {
			return yield(key.(string), found.(*entry).breaker)
		})
	}
}

// build makes the breaker of a key. The group does not have it yet.
func (g *Group) build(key string) *entry {
	key = strings.Clone(key) // it may be a part of a long text
	c := g.config.Breaker
	if c.Name == "" {
		c.Name = key
	} else {
		c.Name += "/" + key
	}
	if g.config.Configure != nil {
		c = g.config.Configure(key, c)
	}
	b, err := New(c)
	if err != nil {
		panic(fmt.Sprintf("breaker: GroupConfig.Configure for the key %q: %s", key, err))
	}
	return &entry{key: key, breaker: b}
}

// makeRoom drops an entry if the group is full.
func (g *Group) makeRoom() {
	if g.queue.len() >= g.config.MaxBreakers {
		g.entries.Delete(g.queue.evict().key)
	}
}

// sweepLater has sweep called when IdleTimeout is over, unless it will be. The timer
// does not keep a group that nobody has any more. Mu is held.
func (g *Group) sweepLater() {
	if g.sweeping {
		return
	}
	g.sweeping = true
	group := weak.Make(g)
	time.AfterFunc(max(g.config.IdleTimeout, leastIdle), func() {
		if g := group.Value(); g != nil {
			g.sweep()
		}
	})
}

// sweep drops what is idle.
func (g *Group) sweep() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue.sweep(func(e *entry) { g.entries.Delete(e.key) })
	g.sweeping = false
	if g.queue.len() > 0 {
		g.sweepLater()
	}
}
