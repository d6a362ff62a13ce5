package breaker_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/parlance-go/parlance/breaker"
)

// BenchmarkGroup is what it costs to find the breaker of a key. The floor is a
// map that many may read at once, and that never drops anything.
func BenchmarkGroup(b *testing.B) {
	const size = 10_000
	var floor sync.Map
	g := newGroup(b, breaker.GroupConfig{MaxBreakers: size})
	all := make([]string, size)
	for n := range all {
		all[n] = fmt.Sprintf("host-%d.internal:8080", n)
		floor.Store(all[n], g.For(all[n]))
	}
	inMap := func(key string) *breaker.Breaker {
		found, _ := floor.Load(key)
		return found.(*breaker.Breaker)
	}
	for _, contender := range []struct {
		name string
		find func(string) *breaker.Breaker
	}{
		{"parlance", g.For},
		{"floor", inMap},
	} {
		find := contender.find
		b.Run("one-key/"+contender.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				find(all[7])
			}
		})
		b.Run("one-key-parallel/"+contender.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					find(all[7])
				}
			})
		})
		b.Run("many-keys/"+contender.name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n = (n + 7919) % size
				find(all[n])
			}
		})
	}
	b.Run("new-key/parlance", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			n++
			g.For(fmt.Sprint(n))
		}
	})
}

// BenchmarkTransport is what a breaker costs a request to a server that takes no
// time. The floor is the server alone.
func BenchmarkTransport(b *testing.B) {
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	server := tripper(func(*http.Request) (*http.Response, error) { return resp, nil })
	req := newRequest(b, b.Context(), nil)
	for _, contender := range []struct {
		name string
		rt   http.RoundTripper
	}{
		{"one-breaker/parlance", breaker.Transport(newBreaker(b, breaker.Config{}), server)},
		{"one-breaker/floor", server},
		{"group/parlance", breaker.Transport(newGroup(b, breaker.GroupConfig{}), server)},
		{"group/floor", server},
	} {
		b.Run(contender.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				got, err := contender.rt.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				got.Body.Close()
			}
		})
	}
}
