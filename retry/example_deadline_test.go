package retry_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/parlance-go/parlance/retry"
)

// A client that has 10 s left calls a service that would take up to 30 s, and need
// not: it knows when nobody waits any more.
func ExampleDeadlineHandler() {
	search := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		deadline, _ := r.Context().Deadline()
		left := time.Until(deadline)
		fmt.Fprintf(w, "less than 10 s are left: %t", left > 0 && left <= 10*time.Second)
	})
	server := httptest.NewServer(retry.DeadlineHandler(search, 30*time.Second))
	defer server.Close()

	// Inside Transport it tells each attempt what is left then.
	client := &http.Client{Transport: retry.Transport(nil, retry.DeadlineTransport(server.Client().Transport))}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, http.NoBody)
	response, err := client.Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	fmt.Println(string(answer))
	// Output: less than 10 s are left: true
}
