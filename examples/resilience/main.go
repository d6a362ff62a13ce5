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
		server.reset()
		if err := s.tell(ctx, indented{out}, server); err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
	}
	return nil
}

// get fetches a path and returns its status and body as one line.
func get(ctx context.Context, client *http.Client, url string) (string, error) {
	return send(ctx, client, http.MethodGet, url, nil)
}

func send(ctx context.Context, client *http.Client, method, url string, header http.Header) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader("{}"))
	if err != nil {
		return "", err
	}
	if header != nil {
		request.Header = header
	}
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
