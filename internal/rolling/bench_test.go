package rolling_test

import (
	"testing"
	"time"

	"github.com/parlance-go/parlance/internal/rolling"
)

func BenchmarkWindow(b *testing.B) {
	w := rolling.New(10 * time.Second)
	for i := range 10 {
		w.Add(time.Duration(i)*time.Second, rolling.First)
	}
	now := 9 * time.Second
	b.Run("add/parlance", func(b *testing.B) {
		for b.Loop() {
			w.Add(now, rolling.First)
		}
	})
	b.Run("add-parallel/parlance", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				w.Add(now, rolling.First)
			}
		})
	})
	b.Run("sum/parlance", func(b *testing.B) {
		for b.Loop() {
			w.Sum(now)
		}
	})
}
