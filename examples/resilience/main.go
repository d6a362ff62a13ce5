// Resilience starts an HTTP server that fails in all the usual ways, and calls it
// under one policy after the other.
//
//	go run ./examples/resilience
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/retry"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// A story shows one policy against one fault of the server.
type story struct {
	title string
	tell  func(ctx context.Context, out io.Writer, server *flaky) error
}

var stories = []story{
	{"Retry: two failures, then an answer", retried},
	{"Retry-After: the server says when to come back", patient},
	{"Idempotence: a POST is sent once, unless it carries a key", idempotent},
	{"Attempt timeout: one attempt hangs, the next does not", timed},
	{"Deadline: each attempt tells the server what time is left", told},
	{"Hedge: a slow request is sent a second time", hedged},
	{"Budget: when everything fails, retries stop", thrifty},
	{"Bulkhead: a slow server takes two places and no more", bounded},
	{"Breaker: what is down is left alone, and found again", broken},
}

func run(ctx context.Context, out io.Writer) error {
	server, err := startFlaky(ctx)
	if err != nil {
		return err
	}
	defer server.stop()
	for _, s := range stories {
		fmt.Fprintf(out, "\n%s\n", s.title)
		if err := s.tell(ctx, indented{out}, server); err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
	}
	return nil
}

// get fetches a URL and returns the status and the body as one line.
func get(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	return send(client, request)
}

// post is get for a POST, with an idempotency key if it is not empty.
func post(ctx context.Context, client *http.Client, url, key string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		return "", err
	}
	if key != "" {
		request.Header.Set(retry.IdempotencyKey, key)
	}
	return send(client, request)
}

func send(client *http.Client, request *http.Request) (string, error) {
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	return fmt.Sprintf("%d %s", response.StatusCode, strings.TrimSpace(string(body))), err
}

// printTransitions tells of a breaker's changes of state.
func printTransitions(out io.Writer) breaker.Hooks {
	return breaker.Hooks{Transition: func(t breaker.Transition) {
		fmt.Fprintf(out, "the breaker goes from %s to %s\n", t.From, t.To)
	}}
}

// indented writes each line with four spaces before it.
type indented struct{ io.Writer }

func (w indented) Write(line []byte) (int, error) {
	if _, err := io.WriteString(w.Writer, "    "); err != nil {
		return 0, err
	}
	return w.Writer.Write(line)
}
