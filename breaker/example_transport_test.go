package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/parlance-go/parlance/breaker"
)

// Every host has a breaker of its own. A server that says how long it will be
// away is left alone for that time.
func ExampleTransport() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Println("server: a request")
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()

	hosts, err := breaker.NewGroup(breaker.GroupConfig{Breaker: breaker.Config{ConsecutiveFailures: 2}})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: breaker.Transport(hosts, nil)}
	for range 3 {
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL, http.NoBody)
		resp, err := client.Do(req)
		if open, ok := errors.AsType[*breaker.OpenError](err); ok {
			fmt.Printf("client: %v, come back in %s\n", open.Cause, open.RetryAfter().Round(time.Second))
			continue
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
		fmt.Println("client:", resp.Status)
	}
	// Output:
	// server: a request
	// client: 503 Service Unavailable
	// server: a request
	// client: 503 Service Unavailable
	// client: status 503 Service Unavailable, come back in 2m0s
}

// One breaker for all that a client asks, where there is one other side only.
func ExampleBreaker_For() {
	b, err := breaker.New(breaker.Config{Name: "payments"})
	if err != nil {
		fmt.Println(err)
		return
	}
	payments := &http.Client{Transport: breaker.Transport(b, nil), Timeout: 5 * time.Second}
	b.SetMode(breaker.ForcedOpen)
	req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://payments.internal/receipts/7", http.NoBody)
	if resp, err := payments.Do(req); err == nil {
		resp.Body.Close()
	} else {
		fmt.Println("rejected:", errors.Is(err, breaker.ErrOpen))
	}
	// Output: rejected: true
}
