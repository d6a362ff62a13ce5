package policy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// flaky starts a server that fails every other request.
func flaky() *httptest.Server {
	requests := 0
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests++; requests%2 == 1 {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "request %d, told its timeout: %t", requests, r.Header.Get(retry.TimeoutHeader) != "")
	}))
}

func ExampleTransport() {
	server := flaky()
	defer server.Close()

	retries, err := retry.New(retry.Config{BaseDelay: time.Millisecond})
	if err != nil {
		panic(err)
	}
	content, err := policy.New(policy.Config{
		Timeout: 10 * time.Second, Retry: retries, AttemptTimeout: 2 * time.Second,
	})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: policy.Transport(content, &http.Transport{MaxConnsPerHost: 10})}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		panic(err)
	}
	response, err := client.Do(request)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Printf("%s, %s, %v\n", response.Status, body, err)
	// Output: 200 OK, request 2, told its timeout: true, <nil>
}

// A group has a breaker for each name.
func ExamplePolicy_Client() {
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer down.Close()

	breakers, err := breaker.NewGroup(breaker.GroupConfig{Breaker: breaker.Config{ConsecutiveFailures: 2}})
	if err != nil {
		panic(err)
	}
	services, err := policy.New(policy.Config{Timeout: 10 * time.Second, Breaker: breakers})
	if err != nil {
		panic(err)
	}
	search, processing := services.Client("search"), services.Client("processing")
	for _, client := range []*http.Client{search, search, search, processing} {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, down.URL, http.NoBody)
		if err != nil {
			panic(err)
		}
		response, err := client.Do(request)
		if open, ok := errors.AsType[*breaker.OpenError](err); ok {
			fmt.Println(open.Name, "is open:", open.Cause)
			continue
		}
		fmt.Println(response.Status)
		response.Body.Close()
	}
	// Output:
	// 500 Internal Server Error
	// 500 Internal Server Error
	// search is open: status 500 Internal Server Error
	// 500 Internal Server Error
}
