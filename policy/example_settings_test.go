package policy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"

	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// One file for a service, one client for each other side.
func ExampleLoadYAML() {
	file, err := os.Open("testdata/settings.yaml")
	if err != nil {
		panic(err)
	}
	defer file.Close()
	settings, err := policy.LoadYAML(file)
	if err != nil {
		panic(err) // with line and column
	}
	fmt.Println("to a database:", settings.Timeouts.For(retry.ServiceToDatabase))
	fmt.Println("attempts:", settings.Retry.MaxAttempts)

	// A server that is not ready at first.
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) < 3 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "ready")
	}))
	defer server.Close()

	search, err := settings.Client("search", retry.ServiceToService)
	if err != nil {
		panic(err)
	}
	response, err := search.Get(server.URL) //nolint:noctx // the timeout of the hop holds
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Printf("%s after %d calls\n", body, calls.Load())
	// Output:
	// to a database: 15s
	// attempts: 3
	// ready after 3 calls
}

// All problems of a file are told at once.
func ExampleLoadYAML_problems() {
	_, err := policy.LoadYAML(strings.NewReader(`
retry_configuration:
  max_attempts: 0
  base_delay: 100
  retry_conditions:
    - not_found (503)
`))
	fmt.Println(err)
	// Output:
	// policy: settings: line 3, column 17: retry_configuration.max_attempts is 0, want a whole number from 1 to 1000
	// policy: settings: line 4, column 15: retry_configuration.base_delay is 100, want a duration above 0 with its unit, such as 100ms, 5s or 1m30s
	// policy: settings: line 6, column 7: retry_configuration.retry_conditions has an entry that is "not_found (503)", want the name alone or "not_found (404)"
}

// A policy of the settings is for any call, such as one to a database.
func ExampleSettings_Policy() {
	settings, err := policy.LoadYAML(strings.NewReader(`
retry_configuration:
  base_delay: 1ms
  non_retry_conditions:
    - internal_server_error
`))
	if err != nil {
		panic(err)
	}
	orders, err := settings.Policy("orders", retry.ServiceToDatabase)
	if err != nil {
		panic(err)
	}
	attempts := 0
	count, err := policy.Do(context.Background(), orders, func(context.Context) (int, error) {
		attempts++
		if attempts == 1 {
			return 0, &retry.StatusError{Code: http.StatusServiceUnavailable}
		}
		return 42, nil
	})
	fmt.Println(count, err, "after", attempts, "attempts")

	_, err = policy.Do(context.Background(), orders, func(context.Context) (int, error) {
		return 0, &retry.StatusError{Code: http.StatusInternalServerError}
	})
	fmt.Println(err)

	// Settings that cannot work are refused before the first call.
	settings.Retry.MaxAttempts = 1000
	_, err = settings.Policy("orders", retry.ServiceToDatabase)
	fmt.Println("refused:", err != nil)
	// Output:
	// 42 <nil> after 2 attempts
	// status 500 Internal Server Error
	// refused: true
}
