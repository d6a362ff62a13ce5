package main

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/parlance-go/parlance/retry"
)

// tiers is how many services stand in a row between the clients and the server.
const tiers = 3

// A world has its own server, its own tiers, and its own clients.
type world struct {
	name   string
	server server
	entry  func(ctx context.Context) error // of the first tier

	calls, answered, failed atomic.Int64 // of the clients
}

// A caller is how one tier calls the next.
type caller func(ctx context.Context, call func(context.Context) error) error

// newWorlds returns three worlds, which differ only in how their tiers call.
func newWorlds() ([]*world, error) {
	var worlds []*world
	for _, w := range []struct {
		name      string
		newCaller func() (caller, error)
	}{{"naive retries", naive}, {"retry budget", budgeted}, {"policy", guarded}} {
		world, err := newWorld(w.name, w.newCaller)
		if err != nil {
			return nil, err
		}
		worlds = append(worlds, world)
	}
	return worlds, nil
}

// newWorld stacks the tiers. Each has a caller of its own, as each is a process of
// its own.
func newWorld(name string, newCaller func() (caller, error)) (*world, error) {
	w := &world{name: name}
	next := w.server.handle
	for range tiers {
		call, err := newCaller()
		if err != nil {
			return nil, err
		}
		behind := next
		next = func(ctx context.Context) error { return overHTTP(call(ctx, behind)) }
	}
	w.entry = next
	return w, nil
}

// overHTTP returns what is left of a tier's error when it arrives at the tier
// before: a status, and Retry-After if there was a reason to wait.
func overHTTP(err error) error {
	if err == nil {
		return nil
	}
	return &retry.StatusError{Code: 503, After: waitOf(err), HasAfter: waitOf(err) > 0}
}

// client calls about once a second until ctx ends.
func (w *world) client(ctx context.Context) {
	for {
		pause := time.NewTimer(rand.N(2 * time.Second))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
		w.calls.Add(1)
		if w.entry(ctx) == nil {
			w.answered.Add(1)
		} else {
			w.failed.Add(1)
		}
	}
}

// capacity is how many requests the server takes at a time: 2,000 a second.
const capacity = 40

// server is the last one. It answers in 20 ms; what it cannot take it refuses.
type server struct {
	down     atomic.Bool
	busy     atomic.Int64
	requests atomic.Int64
}

func (s *server) handle(ctx context.Context) error {
	s.requests.Add(1)
	defer s.busy.Add(-1)
	if s.busy.Add(1) > capacity || s.down.Load() {
		return &retry.StatusError{Code: 503}
	}
	work := time.NewTimer(20 * time.Millisecond)
	defer work.Stop()
	select {
	case <-work.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
