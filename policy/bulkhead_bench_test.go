package policy_test

import (
	"testing"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/policy"
)

// The floor is a semaphore made of a buffered channel: a bound without a name for
// those it rejects, a length of its queue, or a limit that changes.
func BenchmarkBulkhead(b *testing.B) {
	const places = 1000
	fixed := policy.BulkheadConfig{MaxConcurrent: places}
	adaptive := policy.BulkheadConfig{Adaptive: &policy.Gradient{InitialLimit: places, MinLimit: places}}
	for _, c := range []struct {
		name     string
		config   policy.BulkheadConfig
		parallel bool
	}{
		{"uncontended", fixed, false},
		{"parallel", fixed, true},
		{"adaptive", adaptive, false},
		{"adaptive-parallel", adaptive, true},
	} {
		b.Run(c.name+"/parlance", func(b *testing.B) {
			ctx := b.Context()
			bulkhead := newBulkhead(b, c.config)
			bench(b, c.parallel, func() {
				place, err := bulkhead.Acquire(ctx)
				if err != nil {
					b.Error(err)
				}
				place.Done(breaker.Success)
			})
		})
		b.Run(c.name+"/floor", func(b *testing.B) {
			semaphore := make(chan struct{}, places)
			bench(b, c.parallel, func() {
				select {
				case semaphore <- struct{}{}:
				default:
					b.Error("full")
				}
				<-semaphore
			})
		})
	}
}

// bench measures fn in one goroutine, or in 64 for each processor.
func bench(b *testing.B, parallel bool, fn func()) {
	b.ReportAllocs()
	if !parallel {
		for b.Loop() {
			fn()
		}
		return
	}
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			fn()
		}
	})
}
