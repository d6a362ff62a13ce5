package policy_test

import (
	"context"
	"testing"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

func answer(context.Context) (int, error) { return 42, nil }

// BenchmarkPolicy compares calls under a policy with what their timeouts cost
// alone.
func BenchmarkPolicy(b *testing.B) {
	full := policy.Config{
		Timeout: 10 * time.Second,
		Retry:   newRetry(b, retry.Config{}),
		Breaker: newBreaker(b, breaker.Config{}),
	}
	withAttempts, withBulkhead := full, full
	withAttempts.AttemptTimeout = time.Second
	withBulkhead.Bulkhead = newBulkhead(b, policy.BulkheadConfig{})
	for _, test := range []struct {
		name   string
		config policy.Config
		floor  []time.Duration // of the contexts
	}{
		{"nothing", policy.Config{}, nil},
		{"breaker", policy.Config{Breaker: full.Breaker}, nil},
		{"retry+breaker", policy.Config{Retry: full.Retry, Breaker: full.Breaker}, nil},
		{"timeout", policy.Config{Timeout: full.Timeout}, []time.Duration{full.Timeout}},
		{"timeout+retry+breaker", full, []time.Duration{full.Timeout}},
		{"timeout+retry+bulkhead+breaker", withBulkhead, []time.Duration{full.Timeout}},
		{"timeout+retry+breaker+attempt", withAttempts, []time.Duration{full.Timeout, withAttempts.AttemptTimeout}},
	} {
		p := newPolicy(b, test.config)
		b.Run(test.name+"/parlance", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = policy.Do(b.Context(), p, answer)
			}
		})
		b.Run(test.name+"/floor", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = floor(b.Context(), test.floor)
			}
		})
		b.Run(test.name+"-parallel/parlance", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, _ = policy.Do(b.Context(), p, answer)
				}
			})
		})
		b.Run(test.name+"-parallel/floor", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, _ = floor(b.Context(), test.floor)
				}
			})
		})
	}
}

// floor makes the contexts that the timeouts need, and calls.
func floor(ctx context.Context, timeouts []time.Duration) (int, error) {
	if len(timeouts) == 0 {
		return answer(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, timeouts[0])
	defer cancel()
	return floor(ctx, timeouts[1:])
}
