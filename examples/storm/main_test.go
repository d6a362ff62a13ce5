package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
)

// play lets a thousand clients call in one world, in virtual time.
func play(t *testing.T, name string, healthy, outage, recovery time.Duration) (played *world) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		worlds, err := newWorlds()
		assert.NoError(t, err)
		for _, w := range worlds {
			if w.name == name {
				played = w
			}
		}
		ctx, stop := context.WithTimeout(t.Context(), healthy+outage+recovery)
		defer stop()
		played.server.down.Store(healthy == 0)
		var clients sync.WaitGroup
		for range 1000 {
			clients.Go(func() { played.client(ctx) })
		}
		time.Sleep(healthy)
		played.server.down.Store(true)
		time.Sleep(outage)
		played.server.down.Store(false)
		clients.Wait()
	})
	return played
}

func TestNaiveRetriesMultiplyByTwentySeven(t *testing.T) {
	naive := play(t, "naive retries", 0, 20*time.Second, 5*time.Second)
	perFailure := ratio(naive.server.requests.Load()-naive.answered.Load(), naive.failed.Load())
	assert.True(t, perFailure > 25, "%.1f requests for each call that failed", perFailure)
}

// The bound of a budget holds from its first call on, in each tier: so for three
// of them it is the third power.
func TestBudgetsBoundTheLoadOfThreeTiers(t *testing.T) {
	for name, outage := range map[string]time.Duration{"short": 5 * time.Second, "long": 30 * time.Second} {
		t.Run(name, func(t *testing.T) {
			for _, healthy := range []time.Duration{0, 15 * time.Second} {
				w := play(t, "retry budget", healthy, outage, 5*time.Second)
				load := ratio(w.server.requests.Load(), w.calls.Load())
				assert.True(t, load <= 1.2*1.2*1.2, "%.3f requests for each call, after %s without a failure", load, healthy)
				assert.True(t, load > 1.1 || outage < 30*time.Second, "%.3f requests for each call: are there any retries?", load)
			}
		})
	}
}

func TestPolicyLeavesTheServerAloneAndFindsItAgain(t *testing.T) {
	w := play(t, "policy", 5*time.Second, 20*time.Second, 10*time.Second)
	requests, answered := w.server.requests.Load(), w.answered.Load()
	assert.True(t, requests-answered < 200, "%d requests were for nothing", requests-answered)
	// The server was up for 15 s. Clients begin within 2 s, and the breakers of three
	// tiers find it up again within another 2 s.
	perSecond := ratio(answered, 15)
	assert.True(t, perSecond > 750, "%.0f answers for each second that the server was up", perSecond)
}

func TestRunDrawsEachSecond(t *testing.T) {
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		err := run(t.Context(), &out, plan{clients: 100, healthy: 2 * time.Second, outage: 3 * time.Second, recovery: 4 * time.Second})
		assert.NoError(t, err)
	})
	assert.Equal(t, strings.Count(out.String(), " up "), 6, "%s", out.String())
	assert.Equal(t, strings.Count(out.String(), " DOWN "), 3, "%s", out.String())
	assert.Contains(t, out.String(), "nine in ten answered")
}

func TestPlanNamesTheFlag(t *testing.T) {
	for want, p := range map[string]plan{
		"-clients is 0":     {healthy: time.Second, outage: time.Second, recovery: time.Second},
		"-outage is 1.5s":   {clients: 1, healthy: time.Second, outage: 1500 * time.Millisecond, recovery: time.Second},
		"-recovery is -1s":  {clients: 1, healthy: time.Second, outage: time.Second, recovery: -time.Second},
		"-healthy is 2h0m0": {clients: 1, healthy: 2 * time.Hour, outage: time.Second, recovery: time.Second},
	} {
		err := run(t.Context(), &bytes.Buffer{}, p)
		assert.Error(t, err)
		assert.Contains(t, err.Error(), want)
	}
}
