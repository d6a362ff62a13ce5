package breakermodel_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
)

// TestProbesAreBounded lets a storm of calls loose on a breaker that is
// half-open, and counts from outside how many pass: those that end neutral or
// hang make room for others, those that succeed do not, and what the hanging
// ones say in the end changes nothing.
func TestProbesAreBounded(t *testing.T) {
	for _, probes := range []int{1, 2, 5, 64} {
		for concurrent := 1; concurrent <= probes; concurrent = 2*concurrent + 1 {
			t.Run(fmt.Sprintf("%d probes, %d at once", probes, concurrent), func(t *testing.T) {
				for seed := range uint64(10) {
					synctest.Test(t, func(t *testing.T) { storm(t, probes, concurrent, seed) })
				}
			})
		}
	}
}

func storm(t *testing.T, probes, concurrent int, seed uint64) {
	const probeTimeout = 10 * time.Second
	b, err := breaker.New(breaker.Config{
		ConsecutiveFailures: 1, ResetTimeout: time.Minute, CountCalls: true,
		Probes: probes, ConcurrentProbes: concurrent, ProbeTimeout: probeTimeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	call := func() breaker.Permit {
		permit, err := b.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return permit
	}
	permit := call()
	permit.Done(breaker.Failure)
	time.Sleep(time.Minute)

	// One success less than what closes the breaker is given away.
	var passed, underWay, neutral, hung, succeeded atomic.Int64
	probe := func(random *rand.Rand, permit breaker.Permit) {
		passed.Add(1)
		if n := underWay.Add(1); n > int64(concurrent) {
			t.Errorf("%d probes are under way, more than %d", n, concurrent)
		}
		took := time.Duration(random.IntN(9)) * time.Second
		switch random.IntN(3) {
		case 0:
			if succeeded.Add(1) < int64(probes) {
				time.Sleep(took)
				underWay.Add(-1)
				permit.Done(breaker.Success)
				return
			}
			succeeded.Add(-1)
			fallthrough
		case 1:
			time.Sleep(took)
			underWay.Add(-1)
			neutral.Add(1)
			permit.Done(breaker.Neutral)
		case 2:
			time.Sleep(probeTimeout - 1)
			underWay.Add(-1)
			hung.Add(1)
			time.Sleep(1 + took)
			permit.Done([]breaker.Outcome{breaker.Success, breaker.Failure, breaker.Neutral}[random.IntN(3)])
		}
	}
	var all sync.WaitGroup
	for user := range uint64(50) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, user))
			for range 20 {
				if permit, err := b.Acquire(t.Context()); err == nil {
					probe(random, permit)
				}
				time.Sleep(time.Duration(random.IntN(3)) * time.Second)
			}
		})
	}
	all.Wait()

	if s := b.Snapshot(); s.State != breaker.HalfOpen || s.Probing != 0 || s.Late != uint64(hung.Load()) {
		t.Fatalf("half-open with no probe and %d late calls, want %+v", hung.Load(), s)
	}
	if counted := passed.Load() - neutral.Load() - hung.Load(); counted > int64(probes) || counted != succeeded.Load() {
		t.Errorf("%d calls passed, %d neutral, %d hung, %d successful: more than %d probes",
			passed.Load(), neutral.Load(), hung.Load(), succeeded.Load(), probes)
	}
	for range int64(probes) - succeeded.Load() {
		if b.State() != breaker.HalfOpen {
			t.Errorf("it is %s, after fewer successes than %d", b.State(), probes)
		}
		permit := call()
		permit.Done(breaker.Success)
	}
	if b.State() != breaker.Closed {
		t.Errorf("it is %s, after %d successes", b.State(), probes)
	}
}
