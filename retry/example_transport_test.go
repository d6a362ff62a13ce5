package retry_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/parlance-go/parlance/retry"
)

// A server is busy twice before it takes an order. The key lets it be sent again,
// and its body with it.
func ExampleTransport() {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		order, _ := io.ReadAll(r.Body)
		if requests++; requests < 3 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "request %d ordered %s", requests, order)
	}))
	defer server.Close()

	policy, err := retry.New(retry.Config{BaseDelay: time.Millisecond, AttemptTimeout: 5 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: retry.Transport(policy, server.Client().Transport)}

	request, _ := http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL, strings.NewReader("two books"))
	request.Header.Set(retry.IdempotencyKey, "order-42")
	response, err := client.Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	fmt.Println(response.StatusCode, string(answer))
	// Output: 200 request 3 ordered two books
}

// Without a key a POST is sent once, and the caller sees what came back.
func ExampleTransport_withoutAKey() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "busy", http.StatusServiceUnavailable)
	}))
	defer server.Close()

	client := &http.Client{Transport: retry.Transport(nil, server.Client().Transport)}
	request, _ := http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL, strings.NewReader("two books"))
	response, err := client.Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	fmt.Printf("%d %s", response.StatusCode, answer)
	// Output: 503 busy
}
