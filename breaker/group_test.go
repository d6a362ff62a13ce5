package breaker_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

func newGroup(t testing.TB, c breaker.GroupConfig) *breaker.Group {
	t.Helper()
	g, err := breaker.NewGroup(c)
	assert.NoError(t, err)
	return g
}

// report lets one call through with an outcome.
func report(t testing.TB, b *breaker.Breaker, o breaker.Outcome) {
	t.Helper()
	permit, err := b.Acquire(t.Context())
	assert.NoError(t, err)
	permit.Done(o)
}

// keys returns the keys of a group in order.
func keys(g *breaker.Group) []string {
	keys := []string{}
	for key := range g.All() {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// fragile breakers open with the first failure.
var fragile = breaker.Config{ConsecutiveFailures: 1}

func TestGroupHasOneBreakerForEachKey(t *testing.T) {
	g := newGroup(t, breaker.GroupConfig{Breaker: fragile})
	assert.Equal(t, g.Len(), 0)
	a, b := g.For("a"), g.For("b")
	assert.True(t, a != b, "different keys have different breakers")
	assert.True(t, g.For("a") == a, "the same key has the same breaker")
	assert.True(t, g.For("") != a, "also the empty key has one")
	assert.Equal(t, g.Len(), 3)

	report(t, a, breaker.Failure)
	assert.Equal(t, g.For("a").State(), breaker.Open)
	assert.Equal(t, g.For("b").State(), breaker.Closed)
}

func TestGroupNamesItsBreakers(t *testing.T) {
	for name, test := range map[string]struct {
		prefix, key, want string
	}{
		"with a name":          {"http", "example.com", "http/example.com"},
		"without a name":       {"", "example.com", "example.com"},
		"with the empty key":   {"http", "", "http/"},
		"without name and key": {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGroup(t, breaker.GroupConfig{Breaker: breaker.Config{Name: test.prefix}})
			assert.Equal(t, g.For(test.key).Name(), test.want)
		})
	}
}

func TestGroupConfigures(t *testing.T) {
	g := newGroup(t, breaker.GroupConfig{
		Breaker: breaker.Config{Name: "http", ConsecutiveFailures: 7},
		Configure: func(key string, c breaker.Config) breaker.Config {
			assert.Equal(t, c.Name, "http/"+key)
			assert.Equal(t, c.ConsecutiveFailures, 7)
			if key == "fragile" {
				c.ConsecutiveFailures = 1
				c.Name = "glass"
			}
			return c
		},
	})
	report(t, g.For("fragile"), breaker.Failure)
	report(t, g.For("other"), breaker.Failure)
	assert.Equal(t, g.For("fragile").State(), breaker.Open)
	assert.Equal(t, g.For("fragile").Name(), "glass")
	assert.Equal(t, g.For("other").State(), breaker.Closed)
}

func TestNewGroupRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		config breaker.GroupConfig
		want   []string
	}{
		"what New refuses":      {breaker.GroupConfig{Breaker: breaker.Config{FailureRate: 1.5}}, []string{"breaker: ", "FailureRate", "1.5"}},
		"a negative number":     {breaker.GroupConfig{MaxBreakers: -1}, []string{"breaker: ", "GroupConfig.MaxBreakers", "-1"}},
		"a negative time":       {breaker.GroupConfig{IdleTimeout: -time.Second}, []string{"breaker: ", "GroupConfig.IdleTimeout", "-1s"}},
		"the smallest of times": {breaker.GroupConfig{IdleTimeout: -1 << 63}, []string{"GroupConfig.IdleTimeout"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := breaker.NewGroup(test.config)
			assert.Error(t, err)
			for _, part := range test.want {
				assert.Contains(t, err.Error(), part)
			}
		})
	}
}

// TestGroupPanicsNamingTheKey: there is nobody to return an error to. The group
// works on.
func TestGroupPanicsNamingTheKey(t *testing.T) {
	g := newGroup(t, breaker.GroupConfig{Configure: func(key string, c breaker.Config) breaker.Config {
		if key == "bad.example" {
			c.FailureRate = -1
		}
		return c
	}})
	for range 2 {
		text := fmt.Sprint(assert.Panics(t, func() { g.For("bad.example") }))
		assert.Contains(t, text, "breaker: ")
		assert.Contains(t, text, `"bad.example"`)
		assert.Contains(t, text, "FailureRate")
	}
	g.For("good.example")
	assert.Equal(t, keys(g), []string{"good.example"})
}

// TestConfigureMayUseTheGroup would hang if a lock were held.
func TestConfigureMayUseTheGroup(t *testing.T) {
	var g *breaker.Group
	g = newGroup(t, breaker.GroupConfig{Configure: func(key string, c breaker.Config) breaker.Config {
		if key == "b" {
			c.Mode = g.For("a").Mode()
			assert.Equal(t, g.Len(), 1)
		}
		return c
	}})
	g.For("b")
	assert.Equal(t, keys(g), []string{"a", "b"})
}

func TestGoroutinesThatAskTogetherGetTheSameBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const goroutines = 20
		asked := make(chan struct{})
		var configured atomic.Int32
		g := newGroup(t, breaker.GroupConfig{Configure: func(_ string, c breaker.Config) breaker.Config {
			configured.Add(1)
			<-asked
			return c
		}})
		got := make(chan *breaker.Breaker, goroutines)
		for range goroutines {
			go func() { got <- g.For("key") }()
		}
		synctest.Wait()
		assert.Equal(t, configured.Load(), goroutines, "calls of Configure under way")
		close(asked)
		first := <-got
		for range goroutines - 1 {
			assert.True(t, <-got == first, "all get the same breaker")
		}
		assert.True(t, g.For("key") == first, "and so does who comes later")
		assert.Equal(t, g.Len(), 1)
	})
}

func TestConfigureThatPanicsLeavesNothingBehind(t *testing.T) {
	broken := errors.New("broken")
	fail := true
	g := newGroup(t, breaker.GroupConfig{Configure: func(_ string, c breaker.Config) breaker.Config {
		if fail {
			panic(broken)
		}
		return c
	}})
	assert.Equal(t, assert.Panics(t, func() { g.For("key") }), any(broken))
	assert.Equal(t, g.Len(), 0)
	fail = false
	g.For("key")
	assert.Equal(t, g.Len(), 1)
}

func TestAllCanBeLeft(t *testing.T) {
	g := newGroup(t, breaker.GroupConfig{})
	for n := range 10 {
		g.For(fmt.Sprint("key ", n))
	}
	seen := map[string]*breaker.Breaker{}
	for key, b := range g.All() {
		seen[key] = b
		g.For("new " + key) // holds no lock
		if len(seen) == 3 {
			break
		}
	}
	assert.Equal(t, len(seen), 3)
	for key, b := range seen {
		assert.True(t, g.For(key) == b, "All yields the breaker of the key")
	}
}

// TestGroupKeepsOnlyTheKey: a host is a part of a URL that may be long.
func TestGroupKeepsOnlyTheKey(t *testing.T) {
	text := strings.Repeat("x", 1000)
	g := newGroup(t, breaker.GroupConfig{})
	g.For(text[:4])
	for key, b := range g.All() {
		assert.True(t, unsafe.StringData(key) != unsafe.StringData(text), "the key is a copy")
		assert.True(t, unsafe.StringData(b.Name()) != unsafe.StringData(text), "the name too")
	}
}

func TestFullGroup(t *testing.T) {
	for name, test := range map[string]struct {
		max  int
		play string // a key is asked for; key! fails, and its breaker opens; key+ is made closed by SetMode
		want string
	}{
		"drops the first of those that were never used again":   {3, "a b c d", "b c d"},
		"goes on with the next":                                 {3, "a b c d e f", "d e f"},
		"keeps what was used":                                   {3, "a b c a d", "a c d"},
		"keeps what was used, once":                             {3, "a b c a d e f", "d e f"},
		"keeps what is used again and again":                    {3, "a b c a d a e a f a g", "a f g"},
		"drops the oldest if all were used":                     {3, "a b c a b c d", "b c d"},
		"keeps what is open":                                    {3, "a! b c d e f", "a e f"},
		"keeps what is open though all that is closed was used": {3, "a! b b c c d", "a c d"},
		"has one slot left when the others are open":            {3, "a! b! c d e f", "a b f"},
		"drops the first if all are open":                       {3, "a! b! c! d", "b c d"},
		"drops the closed one that came when all were open":     {3, "a! b! c! d e f", "b c f"},
		"drops the first unused if all are open":                {3, "a! b! c! a d", "a c d"},
		"drops what has closed again":                           {3, "a! b! c! a+ d", "b c d"},
		"goes on with the next that is open":                    {3, "a! b! c! a d! e!", "a d e"},
		"drops what has closed again after it was passed over":  {3, "a! b! c d b+ d e f", "a e f"},
		"of one holds the last":                                 {1, "a b! c a", "a"},
		"of one holds one that is open":                         {1, "a! a a", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGroup(t, breaker.GroupConfig{Breaker: fragile, MaxBreakers: test.max})
			for step := range strings.FieldsSeq(test.play) {
				// Not by another For: that would be another use.
				b := g.For(step[:1])
				switch step[1:] {
				case "!":
					report(t, b, breaker.Failure)
				case "+":
					b.SetMode(breaker.Disabled)
				}
				assert.True(t, g.Len() <= test.max, "the group is bounded")
			}
			assert.Equal(t, strings.Join(keys(g), " "), test.want)
		})
	}
}

// TestFullGroupFindsTheOnlyClosedOne wherever it is among those that are open,
// and after each of them has been looked at before.
func TestFullGroupFindsTheOnlyClosedOne(t *testing.T) {
	for _, size := range []int{2, 63, 64, 65, 100, 1000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			for _, closed := range []int{0, 1, size / 2, size - 1} {
				g := newGroup(t, breaker.GroupConfig{Breaker: fragile, MaxBreakers: size})
				all := make([]*breaker.Breaker, size)
				for n := range size {
					all[n] = g.For(fmt.Sprint(n))
					report(t, all[n], breaker.Failure)
				}
				report(t, g.For("sees that all are open"), breaker.Failure)
				assert.True(t, g.Len() == size, "one has left")
				kept := keys(g)
				if !slices.Contains(kept, fmt.Sprint(closed)) {
					continue // it was the one
				}
				all[closed].SetMode(breaker.Disabled)
				g.For("new")
				assert.False(t, slices.Contains(keys(g), fmt.Sprint(closed)), "number %d of %d is closed, and stays", closed, size)
				assert.Equal(t, g.Len(), size)
			}
		})
	}
}

// clock lets time pass in steps, at each of which a new key comes and goes.
func pass(g *breaker.Group, d, step time.Duration) {
	for range d / step {
		time.Sleep(step)
		g.For(fmt.Sprint("passing at ", time.Now().UnixNano()))
	}
}

func TestGroupDropsWhatIsIdle(t *testing.T) {
	const idle = time.Minute
	has := func(g *breaker.Group, key string) bool { return slices.Contains(keys(g), key) }

	// When the last use is relative to the sweeps must not matter.
	for offset := time.Duration(0); offset <= 2*idle; offset += 7 * time.Second {
		synctest.Test(t, func(t *testing.T) {
			g := newGroup(t, breaker.GroupConfig{IdleTimeout: idle})
			pass(g, offset, time.Second)
			g.For("once")
			g.For("twice")
			pass(g, 10*time.Second, time.Second)
			g.For("twice")
			pass(g, idle-11*time.Second, time.Second)
			assert.True(t, has(g, "once"), "used %s ago", idle-time.Second)
			pass(g, 10*time.Second, time.Second)
			assert.True(t, has(g, "twice"), "used %s ago", idle-time.Second)
			pass(g, idle-8*time.Second, time.Second)
			assert.False(t, has(g, "once"), "used %s ago", 2*idle+time.Second)
			pass(g, 10*time.Second, time.Second)
			assert.False(t, has(g, "twice"), "used %s ago", 2*idle+time.Second)
			assert.True(t, g.Len() <= 122, "so it is with all the others: %d", g.Len())
		})
	}
}

func TestGroupKeepsWhatIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, breaker.GroupConfig{IdleTimeout: time.Minute})
		first := g.For("key")
		for range 20 {
			pass(g, 59*time.Second, time.Second)
			assert.True(t, g.For("key") == first, "used every 59 s")
		}
	})
}

// TestSecondChanceIsAUse: an eviction that saw a breaker used must not let the
// next sweep forget that.
func TestSecondChanceIsAUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, breaker.GroupConfig{IdleTimeout: time.Minute, MaxBreakers: 3})
		g.For("key")
		time.Sleep(90 * time.Second) // a sweep after 60 s
		g.For("other")
		g.For("third")
		g.For("key")
		g.For("evicts another one, because key was used")
		time.Sleep(time.Minute) // a sweep after 120 s
		assert.True(t, slices.Contains(keys(g), "key"), "used a minute ago")
		time.Sleep(time.Minute)
		assert.Equal(t, len(keys(g)), 0)
	})
}

// TestIdleBreakersGoByThemselves: nobody has to come with another key.
func TestIdleBreakersGoByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, breaker.GroupConfig{IdleTimeout: time.Minute})
		for range 3 { // a group that was empty sweeps again
			for i := range 1000 {
				g.For(fmt.Sprint("scanned ", i))
			}
			for range 130 {
				time.Sleep(time.Second)
				g.For("in use")
			}
			assert.Equal(t, keys(g), []string{"in use"})
			time.Sleep(3 * time.Minute)
			assert.Equal(t, g.Len(), 0)
		}
	})
}

// A group that nobody has any more goes too, with breakers in it.
func TestASweepKeepsNoGroup(t *testing.T) {
	gone := make(chan struct{})
	func() {
		g := newGroup(t, breaker.GroupConfig{IdleTimeout: time.Hour})
		g.For("key")
		runtime.AddCleanup(g, func(gone chan struct{}) { close(gone) }, gone)
	}()
	for range 100 {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-time.After(10 * time.Millisecond): // cleanups run after a collection, in their own goroutine
		}
	}
	t.Fatal("the group is still there")
}

func TestIdleBreakersStayOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, breaker.GroupConfig{
			Breaker:     breaker.Config{ConsecutiveFailures: 1, ResetTimeout: 10 * time.Minute},
			IdleTimeout: time.Minute,
		})
		report(t, g.For("open"), breaker.Failure)
		g.For("forced").SetMode(breaker.ForcedOpen)
		g.For("disabled").SetMode(breaker.Disabled)
		pass(g, 2*time.Minute+time.Second, time.Second)
		assert.Equal(t, slices.Sorted(maps.Keys(notPassing(g))), []string{"forced", "open"})
		pass(g, 8*time.Minute-2*time.Second, time.Second)
		assert.Equal(t, slices.Sorted(maps.Keys(notPassing(g))), []string{"forced", "open"}, "until the time to stay open is over")
		pass(g, 2*time.Minute+time.Second, time.Second)
		assert.Equal(t, slices.Sorted(maps.Keys(notPassing(g))), []string{"forced"}, "and then they are idle like others")
	})
}

func notPassing(g *breaker.Group) map[string]*breaker.Breaker {
	rest := maps.Collect(g.All())
	maps.DeleteFunc(rest, func(key string, _ *breaker.Breaker) bool { return strings.HasPrefix(key, "passing") })
	return rest
}

func TestLookingAtAllIsNotUsingThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, breaker.GroupConfig{IdleTimeout: time.Minute})
		g.For("key")
		for range 119 {
			time.Sleep(time.Second)
			assert.Equal(t, keys(g), []string{"key"})
		}
		time.Sleep(2 * time.Second)
		assert.Equal(t, len(keys(g)), 0)
	})
}

// TestManyUsersOfAFullGroup looks for races, and for keys that are found but not
// counted, or counted but not found.
func TestManyUsersOfAFullGroup(t *testing.T) {
	const size = 50
	g := newGroup(t, breaker.GroupConfig{Breaker: fragile, MaxBreakers: size, IdleTimeout: time.Microsecond})
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for range 2000 {
				b := g.For(fmt.Sprint("key ", rand.N(4*size)))
				switch rand.N(10) {
				case 0:
					if permit, err := b.Acquire(t.Context()); err == nil {
						permit.Done(breaker.Failure)
					}
				case 1:
					b.SetMode(breaker.Disabled)
				case 2:
					if n := g.Len(); n > size {
						t.Errorf("%d breakers, more than %d", n, size)
					}
				}
			}
		})
	}
	users.Wait()
	for _, b := range g.All() {
		b.SetMode(breaker.ForcedOpen) // no sweep drops it any more
	}
	all := maps.Collect(g.All())
	assert.Equal(t, len(all), g.Len())
	for key, b := range all {
		assert.True(t, g.For(key) == b, "All yields the breaker of the key")
	}
}

// TestFloodOfKeysIsCheap compares what a key that comes once costs a group of
// 100 with what it costs one of 10,000. A walk past all of them for each would
// make it about a hundredfold; memory that is not in a cache makes it some times.
func TestFloodOfKeysIsCheap(t *testing.T) {
	for name, fill := range map[string]func(*breaker.Breaker){
		"others closed": func(*breaker.Breaker) {},
		"others open":   func(b *breaker.Breaker) { b.SetMode(breaker.ForcedOpen) },
	} {
		// What each hostile key does when it has come.
		for behaviour, after := range map[string]func(g *breaker.Group, b *breaker.Breaker, n int){
			"and leave":     func(*breaker.Group, *breaker.Breaker, int) {},
			"and open":      func(_ *breaker.Group, b *breaker.Breaker, _ int) { b.SetMode(breaker.ForcedOpen) },
			"and are used":  func(g *breaker.Group, b *breaker.Breaker, _ int) { g.For(b.Name()) },
			"and others go": func(g *breaker.Group, _ *breaker.Breaker, n int) { g.For(fmt.Sprint("fill ", n%g.Len())) },
		} {
			t.Run(name+", keys come "+behaviour, func(t *testing.T) {
				cost := func(size int) time.Duration {
					g := newGroup(t, breaker.GroupConfig{MaxBreakers: size})
					for n := range size {
						key := fmt.Sprint("fill ", n)
						fill(g.For(key))
						g.For(key) // used
					}
					best := time.Duration(1 << 62)
					for round := range 6 {
						start := time.Now()
						for n := range 200 {
							after(g, g.For(fmt.Sprint("flood ", round, n)), n)
						}
						if round > 0 { // the first clears the bits of those used
							best = min(best, time.Since(start))
						}
					}
					return best
				}
				small, large := cost(100), cost(10_000)
				t.Logf("200 keys: %s in a group of 100, %s in one of 10,000", small, large)
				if large > 30*small {
					t.Errorf("200 keys take %s in a group of 100, and %s in one of 10,000", small, large)
				}
			})
		}
	}
}

func TestGroupLookupDoesNotAllocate(t *testing.T) {
	g := newGroup(t, breaker.GroupConfig{})
	g.For("key")
	assert.Equal(t, testing.AllocsPerRun(100, func() { g.For("key") }), 0)
}
