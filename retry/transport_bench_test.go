package retry_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/parlance-go/parlance/retry"
)

// BenchmarkHedge is a call that needs no hedge, beside one in a goroutine with a
// context of its own.
func BenchmarkHedge(b *testing.B) {
	ok := func(context.Context) (int, error) { return 1, nil }
	for name, config := range map[string]retry.HedgeConfig{"fixed": {}, "quantile": {Quantile: 0.95}} {
		p := newPolicy(b, retry.Config{Hedge: newHedge(b, config)})
		b.Run(name+"/parlance", func(b *testing.B) {
			b.ReportAllocs()
			ctx := b.Context()
			for b.Loop() {
				_, _ = retry.Do(ctx, p, ok)
			}
		})
	}
	b.Run("fixed/floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan int, 1)
			go func() {
				got, _ := ok(ctx)
				done <- got
			}()
			timer := time.NewTimer(time.Second)
			select {
			case <-done:
			case <-timer.C:
			}
			timer.Stop()
			cancel()
		}
	})
}

// BenchmarkTransport is what a RoundTripper adds to a request that succeeds.
func BenchmarkTransport(b *testing.B) {
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	})
	for name, transport := range map[string]http.RoundTripper{
		"success/parlance":  retry.Transport(nil, base),
		"timeouts/parlance": retry.Transport(newPolicy(b, retry.Config{Timeout: time.Minute, AttemptTimeout: time.Second}), base),
		"deadline/parlance": retry.DeadlineTransport(base),
	} {
		b.Run(name, func(b *testing.B) {
			ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
			defer cancel()
			r := newRequest(b, "GET", "http://a/", nil).WithContext(ctx)
			b.ReportAllocs()
			for b.Loop() {
				response, err := transport.RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				response.Body.Close()
			}
		})
	}
}
