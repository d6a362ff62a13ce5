package policy_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
)

func newBulkhead(t testing.TB, c policy.BulkheadConfig) *policy.Bulkhead {
	t.Helper()
	b, err := policy.NewBulkhead(c)
	assert.NoError(t, err)
	return b
}

func acquire(t testing.TB, b *policy.Bulkhead) *policy.Place {
	t.Helper()
	place, err := b.Acquire(t.Context())
	assert.NoError(t, err)
	return &place
}

func TestBulkheadDefaults(t *testing.T) {
	assert.Equal(t, newBulkhead(t, policy.BulkheadConfig{}).Limit(), 64)
	b := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 2})
	assert.Equal(t, b.Limit(), 2)
	first, second := acquire(t, b), acquire(t, b)
	assert.Equal(t, b.InFlight(), 2)
	_, err := b.Acquire(t.Context())
	assert.Equal(t, *assert.ErrorAs[*policy.FullError](t, err), policy.FullError{Limit: 2}, "nobody waits")
	first.Done(breaker.Success)
	second.Done(breaker.Failure)
	assert.Equal(t, b.InFlight(), 0)
}

func TestBulkheadRefusesImpossibleConfigs(t *testing.T) {
	for _, c := range []struct {
		config policy.BulkheadConfig
		want   string
	}{
		{policy.BulkheadConfig{MaxConcurrent: -1}, "policy: BulkheadConfig.MaxConcurrent is -1, want 1 or more"},
		{policy.BulkheadConfig{MaxQueue: -2}, "policy: BulkheadConfig.MaxQueue is -2, want 0 or more"},
		{policy.BulkheadConfig{MaxQueue: 1, MaxWait: -time.Second}, "policy: BulkheadConfig.MaxWait is -1s, want 0 or more"},
		{policy.BulkheadConfig{MaxWait: time.Second}, "policy: BulkheadConfig.MaxWait is 1s, but without a MaxQueue nobody waits"},
	} {
		b, err := policy.NewBulkhead(c.config)
		assert.Error(t, err, "%+v", c.config)
		assert.Equal(t, err.Error(), c.want)
		assert.True(t, b == nil)
	}
}

func TestBulkheadIsExactWhateverTheInterleaving(t *testing.T) {
	for _, c := range []policy.BulkheadConfig{
		{MaxConcurrent: 1, MaxQueue: 1000},
		{MaxConcurrent: 7, MaxQueue: 20, MaxWait: time.Millisecond},
		{MaxConcurrent: 100},
		{MaxConcurrent: 7, MaxQueue: 1000, Adaptive: &policy.Gradient{InitialLimit: 7}},
	} {
		t.Run(fmt.Sprintf("%d places, %d wait", c.MaxConcurrent, c.MaxQueue), func(t *testing.T) {
			t.Parallel()
			b := newBulkhead(t, c)
			var inside, most, queued, admitted atomic.Int64
			var all sync.WaitGroup
			for i := range 1000 {
				all.Go(func() {
					random := rand.New(rand.NewPCG(1, uint64(i)))
					for range 4 {
						// Many of these end while they wait, or as they get a place.
						patience := time.Duration(random.IntN(int(5 * time.Millisecond)))
						ctx, cancel := context.WithTimeout(t.Context(), patience)
						place, err := b.Acquire(ctx)
						queued.Store(max(queued.Load(), int64(b.Queued())))
						if err == nil {
							admitted.Add(1)
							now := inside.Add(1)
							for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
							}
							runtime.Gosched()
							inside.Add(-1)
							place.Done(breaker.Outcome(random.IntN(3)))
							place.Done(breaker.Success)
						}
						cancel()
					}
				})
			}
			all.Wait()
			assert.True(t, most.Load() <= int64(c.MaxConcurrent), "%d of %d at once", most.Load(), c.MaxConcurrent)
			assert.True(t, queued.Load() <= int64(c.MaxQueue), "%d of %d waited", queued.Load(), c.MaxQueue)
			assert.True(t, admitted.Load() > 0)
			assert.Equal(t, b.InFlight(), 0)
			assert.Equal(t, b.Queued(), 0)

			// No place was lost.
			for range b.Limit() {
				acquire(t, b)
			}
		})
	}
}

// Here calls have nothing to do but to get in each other's way.
func TestBulkheadIsExactUnderContention(t *testing.T) {
	for calls, adaptive := range map[int]*policy.Gradient{100_000: nil, 5_000: {}} {
		b := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 1, Adaptive: adaptive})
		var inside, tooMany atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range calls {
					place, err := b.Acquire(t.Context())
					if err != nil {
						continue
					}
					if inside.Add(1) > 1 {
						tooMany.Add(1)
					}
					inside.Add(-1)
					place.Done(breaker.Success)
				}
			})
		}
		all.Wait()
		assert.Equal(t, tooMany.Load(), 0)
		assert.Equal(t, b.InFlight(), 0)
	}
}

// A call joins the queue while the only other one ends: nobody else will wake it.
func TestBulkheadWakesWhoeverJoinsAsAPlaceBecomesFree(t *testing.T) {
	b := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 1, MaxQueue: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // for ever
	defer cancel()
	const rounds = 50_000
	var holder policy.Place
	var round atomic.Int64 // both goroutines turn at once to the next one
	await := func(n int64) {
		for round.Load() < n {
			runtime.Gosched()
		}
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := range int64(rounds) {
			await(n + 1)
			for range n % 64 { // meet the other one at different moments
				round.Load()
			}
			holder.Done(breaker.Success)
		}
	})
	defer round.Store(rounds) // also if it fails
	for n := range int64(rounds) {
		holder = *acquire(t, b)
		round.Store(n + 1)
		place, err := b.Acquire(ctx)
		assert.NoError(t, err)
		place.Done(breaker.Success)
	}
	all.Wait()
	assert.Equal(t, b.InFlight(), 0)
}

// Nobody overtakes those who wait, not even while a place changes hands.
func TestBulkheadIsNotOvertaken(t *testing.T) {
	b := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 1, MaxQueue: 1})
	for range 2000 {
		holder := acquire(t, b)
		var served, overtaken atomic.Bool
		var all sync.WaitGroup
		all.Go(func() {
			place, err := b.Acquire(t.Context())
			if err == nil {
				served.Store(true)
			}
			place.Done(breaker.Success)
		})
		for b.Queued() == 0 {
			runtime.Gosched()
		}
		all.Go(func() {
			for !served.Load() {
				if place, err := b.Acquire(t.Context()); err == nil {
					overtaken.Store(!served.Load())
					place.Done(breaker.Success)
					return
				}
				runtime.Gosched()
			}
		})
		runtime.Gosched()
		holder.Done(breaker.Success)
		all.Wait()
		assert.False(t, overtaken.Load())
	}
}

func TestBulkheadQueueIsFIFO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 2, MaxQueue: 50})
		first, second := acquire(t, b), acquire(t, b)
		var order []int
		for i := range 50 {
			go func() {
				place := acquire(t, b)
				order = append(order, i)
				time.Sleep(time.Second)
				place.Done(breaker.Success)
			}()
			synctest.Wait()
		}
		assert.Equal(t, b.Queued(), 50)
		_, err := b.Acquire(t.Context())
		assert.Equal(t, *assert.ErrorAs[*policy.FullError](t, err), policy.FullError{Limit: 2, Queued: 50})

		first.Done(breaker.Success) // the other place stays taken: one after the other
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.True(t, slices.IsSorted(order), "%v", order)
		assert.Equal(t, len(order), 50)
		second.Done(breaker.Success)
		assert.Equal(t, b.InFlight(), 0)
	})
}

// caller is one that has called Acquire in a goroutine of its own.
type caller struct {
	cancel context.CancelFunc
	since  time.Time
	place  policy.Place
	err    error
	back   atomic.Bool // and place and err are set
}

// The bulkhead does what a list with the rules of its documentation does, one step
// at a time.
func TestBulkheadIsLikeItsModel(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			c := policy.BulkheadConfig{Name: "model", MaxConcurrent: 1 + random.IntN(4), MaxQueue: random.IntN(6)}
			if c.MaxQueue > 0 && random.IntN(2) == 0 {
				c.MaxWait = 10 * time.Second
			}
			b := newBulkhead(t, c)
			var inside, waiting []*caller
			admit := func() {
				for len(waiting) > 0 && len(inside) < c.MaxConcurrent {
					inside, waiting = append(inside, waiting[0]), waiting[1:]
				}
			}
			for range 100 {
				var full, ended []*caller
				switch random.IntN(4) {
				case 0, 1:
					ctx, cancel := context.WithCancel(t.Context())
					one := &caller{cancel: cancel, since: time.Now()}
					go func() {
						one.place, one.err = b.Acquire(ctx)
						one.back.Store(true)
					}()
					switch {
					case len(inside) < c.MaxConcurrent:
						inside = append(inside, one)
					case len(waiting) < c.MaxQueue:
						waiting = append(waiting, one)
					default:
						full = append(full, one)
					}
				case 2:
					if len(inside) > 0 {
						i := random.IntN(len(inside))
						inside[i].place.Done(breaker.Success)
						inside[i].cancel()
						inside = slices.Delete(inside, i, i+1)
						admit()
					}
				case 3:
					if len(waiting) > 0 && random.IntN(2) == 0 {
						i := random.IntN(len(waiting))
						ended = append(ended, waiting[i])
						waiting[i].cancel()
						waiting = slices.Delete(waiting, i, i+1)
						break
					}
					time.Sleep(time.Duration(1+random.IntN(4)) * time.Second)
					for c.MaxWait > 0 && len(waiting) > 0 && time.Since(waiting[0].since) >= c.MaxWait {
						full, waiting = append(full, waiting[0]), waiting[1:]
					}
				}
				synctest.Wait()
				assert.Equal(t, b.InFlight(), len(inside))
				assert.Equal(t, b.Queued(), len(waiting))
				for _, one := range inside {
					assert.True(t, one.back.Load())
					assert.NoError(t, one.err)
				}
				for _, one := range waiting {
					assert.False(t, one.back.Load())
				}
				for _, one := range full {
					assert.True(t, one.back.Load())
					assert.ErrorIs(t, one.err, policy.ErrFull)
					one.cancel()
				}
				for _, one := range ended {
					assert.True(t, one.back.Load())
					assert.ErrorIs(t, one.err, context.Canceled)
				}
			}
			for _, one := range slices.Concat(inside, waiting) {
				one.cancel()
			}
		})
	}
}

func TestBulkheadWaitsForMaxWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, policy.BulkheadConfig{Name: "db", MaxConcurrent: 1, MaxQueue: 2, MaxWait: 3 * time.Second})
		acquire(t, b)
		start := time.Now()
		_, err := b.Acquire(t.Context())
		assert.Equal(t, time.Since(start), 3*time.Second)
		full := assert.ErrorAs[*policy.FullError](t, err)
		assert.Equal(t, *full, policy.FullError{Name: "db", Limit: 1, Queued: 1, Waited: true})
		assert.ErrorIs(t, err, policy.ErrFull)
		assert.False(t, full.Retryable())
		assert.Contains(t, err.Error(), `"db"`)
		assert.Equal(t, b.Queued(), 0)
	})
}

func TestBulkheadTellsWhyTheContextEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, policy.BulkheadConfig{Name: "db", MaxConcurrent: 1, MaxQueue: 1})
		impatient := errors.New("the user has left")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(impatient)
		_, err := b.Acquire(ctx)
		assert.ErrorIs(t, err, impatient, "before it was there")
		assert.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, b.InFlight(), 0)

		place := acquire(t, b)
		ctx, stop := context.WithTimeoutCause(t.Context(), time.Second, impatient)
		defer stop()
		start := time.Now()
		_, err = b.Acquire(ctx)
		assert.Equal(t, time.Since(start), time.Second)
		assert.ErrorIs(t, err, impatient, "while it waited")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Contains(t, err.Error(), `policy: wait for a place in bulkhead "db": `)
		assert.Equal(t, b.Queued(), 0, "it has left the queue")
		place.Done(breaker.Success)
		assert.Equal(t, b.InFlight(), 0)
	})
}

// A place is handed to a waiter, whose context ends before it can come back with it.
func TestBulkheadHandsAPlaceOnWhenItsWaiterIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 1, MaxQueue: 2})
		for range 100 {
			holder := acquire(t, b)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				place, err := b.Acquire(ctx)
				if err == nil {
					place.Done(breaker.Success)
				}
			}()
			synctest.Wait()
			next := make(chan *policy.Place)
			go func() { next <- acquire(t, b) }()
			synctest.Wait()
			holder.Done(breaker.Success)
			cancel()
			(<-next).Done(breaker.Success)
			synctest.Wait()
			assert.Equal(t, b.InFlight(), 0)
		}
	})
}

// The same with real concurrency: ends, cancellations and timeouts at once.
func TestBulkheadLosesNoPlaceInARace(t *testing.T) {
	for range 300 {
		b := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 1, MaxQueue: 3})
		holder := acquire(t, b)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				place, err := b.Acquire(ctx)
				if err != nil {
					assert.ErrorIs(t, err, context.Canceled)
				}
				place.Done(breaker.Success)
			})
		}
		for b.Queued() < 2 {
			runtime.Gosched()
		}
		all.Go(func() { holder.Done(breaker.Success) })
		all.Go(cancel)
		all.Wait()
		assert.Equal(t, b.InFlight(), 0)
		assert.Equal(t, b.Queued(), 0)
	}
}

func TestPlaceIsGivenBackOnce(t *testing.T) {
	for _, adaptive := range []*policy.Gradient{nil, {}} {
		b := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 30, Adaptive: adaptive})
		first, second := acquire(t, b), acquire(t, b)
		for range 3 {
			first.Done(breaker.Success)
		}
		assert.Equal(t, b.InFlight(), 1)
		second.Done(breaker.Neutral)
		assert.Equal(t, b.InFlight(), 0)
	}
	var none policy.Place
	none.Done(breaker.Success)
	none.Done(breaker.Failure)
}

func TestBulkheadGetsAPlaceBackFromAPanic(t *testing.T) {
	b := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 1, MaxQueue: 1})
	call := func(fn func()) {
		place := acquire(t, b)
		defer place.Done(breaker.Failure)
		fn()
		place.Done(breaker.Success)
	}
	assert.Equal(t, assert.Panics(t, func() { call(func() { panic("boom") }) }), any("boom"))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		call(runtime.Goexit)
	}()
	<-gone
	assert.Equal(t, b.InFlight(), 0)
	call(func() { assert.Equal(t, b.InFlight(), 1) })
}

func TestBulkheadDoesNotAllocateWhileThereIsRoom(t *testing.T) {
	for _, adaptive := range []*policy.Gradient{nil, {}} {
		b := newBulkhead(t, policy.BulkheadConfig{Adaptive: adaptive})
		ctx := t.Context()
		assert.Equal(t, testing.AllocsPerRun(1000, func() {
			place, err := b.Acquire(ctx)
			if err != nil {
				t.Error(err)
			}
			place.Done(breaker.Success)
		}), 0)
	}
}
