package retry_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/parlance-go/parlance/retry"
)

// BenchmarkRetry measures what a call costs beyond itself. Its peers are in the
// module benchmarks, under the same names.
func BenchmarkRetry(b *testing.B) {
	ok := func(context.Context) (int, error) { return 1, nil }
	plain := newPolicy(b, retry.Config{})

	b.Run("success/parlance", func(b *testing.B) {
		b.ReportAllocs()
		ctx := b.Context()
		for b.Loop() {
			_, _ = retry.Do(ctx, plain, ok)
		}
	})

	b.Run("success-parallel/parlance", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			ctx := b.Context()
			for pb.Next() {
				_, _ = retry.Do(ctx, plain, ok)
			}
		})
	})

	b.Run("default-policy/parlance", func(b *testing.B) {
		b.ReportAllocs()
		ctx := b.Context()
		for b.Loop() {
			_, _ = retry.Do(ctx, nil, ok)
		}
	})

	b.Run("success-timeout/parlance", func(b *testing.B) {
		p := newPolicy(b, retry.Config{Timeout: time.Minute})
		b.ReportAllocs()
		ctx := b.Context()
		for b.Loop() {
			_, _ = retry.Do(ctx, p, ok)
		}
	})

	// The least that a timeout costs.
	b.Run("success-timeout/floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
			_, _ = ok(ctx)
			cancel()
		}
	})

	b.Run("success-both-timeouts/parlance", func(b *testing.B) {
		p := newPolicy(b, retry.Config{Timeout: time.Minute, AttemptTimeout: time.Second})
		b.ReportAllocs()
		ctx := b.Context()
		for b.Loop() {
			_, _ = retry.Do(ctx, p, ok)
		}
	})

	// A delay below 1 ns is none: this is the decision alone.
	b.Run("one-retry/parlance", func(b *testing.B) {
		p := newPolicy(b, retry.Config{BaseDelay: 1, MaxDelay: 1})
		failure := retry.After(errors.New("busy"), 0)
		b.ReportAllocs()
		ctx := b.Context()
		for b.Loop() {
			failed := false
			_, _ = retry.Do(ctx, p, func(context.Context) (int, error) {
				if !failed {
					failed = true
					return 0, failure
				}
				return 1, nil
			})
		}
	})

	b.Run("not-retried/parlance", func(b *testing.B) {
		failure := errors.New("not found")
		b.ReportAllocs()
		ctx := b.Context()
		for b.Loop() {
			_, _ = retry.Do(ctx, plain, func(context.Context) (int, error) { return 0, failure })
		}
	})
}
