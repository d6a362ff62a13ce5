package breaker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/parlance-go/parlance/breaker"
)

var errDown = errors.New("down")

func answer(context.Context) (int, error) { return 42, nil }

func fail(context.Context) (int, error) { return 0, errDown }

// BenchmarkDo is what a breaker costs a call that does nothing.
func BenchmarkDo(b *testing.B) {
	deadline, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	slow := breaker.Config{SlowCallRate: 0.5, SlowCallThreshold: time.Second}
	for _, c := range []struct {
		name   string
		ctx    context.Context
		config breaker.Config
		call   func(context.Context) (int, error)
		open   bool
	}{
		{"consecutive", b.Context(), breaker.Config{}, answer, false},
		{"consecutive-deadline", deadline, breaker.Config{}, answer, false},
		{"consecutive-failures", b.Context(), breaker.Config{ConsecutiveFailures: 1 << 62}, fail, false},
		{"time-window", b.Context(), breaker.Config{FailureRate: 0.5}, answer, false},
		{"time-window-slow", b.Context(), slow, answer, false},
		{"time-window-failures", b.Context(), breaker.Config{CountCalls: true, ConsecutiveFailures: 1 << 62}, fail, false},
		{"count-window", b.Context(), breaker.Config{FailureRate: 0.5, WindowCalls: 100}, answer, false},
		{"disabled", b.Context(), breaker.Config{Mode: breaker.Disabled}, answer, false},
		{"open", b.Context(), breaker.Config{}, answer, true},
		{"half-open", b.Context(), breaker.Config{ResetTimeout: 1, ProbeTimeout: time.Hour}, answer, true},
	} {
		guard, err := breaker.New(c.config)
		if err != nil {
			b.Fatal(err)
		}
		if c.open {
			for range 5 {
				_, _ = breaker.Do(b.Context(), guard, fail)
			}
			if c.config.ResetTimeout > 0 {
				time.Sleep(time.Millisecond) // a benchmark's clock is the real one
				if _, err := guard.Acquire(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.Run(c.name+"/parlance", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = breaker.Do(c.ctx, guard, c.call)
			}
		})
		b.Run(c.name+"-parallel/parlance", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, _ = breaker.Do(c.ctx, guard, c.call)
				}
			})
		})
		if _, err := breaker.Do(b.Context(), guard, answer); errors.Is(err, breaker.ErrOpen) != c.open {
			b.Fatalf("%s: %v", c.name, err)
		}
	}
}
