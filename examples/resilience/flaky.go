package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/parlance-go/parlance/retry"
)

// flaky is an HTTP server on a free port of this machine.
type flaky struct {
	url     string
	server  *http.Server
	serving sync.WaitGroup

	mu       sync.Mutex
	requests int             // since will
	left     []time.Duration // what each of them said that its client still had
	answers  []answer        // the coming ones; the last one stays
}

// An answer is how the server takes one request.
type answer struct {
	status     int
	after      time.Duration // how long it takes
	retryAfter string
}

var ok = answer{status: http.StatusOK}

func startFlaky(ctx context.Context) (*flaky, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &flaky{url: "http://" + listener.Addr().String(), answers: []answer{ok}}
	f.server = &http.Server{Handler: f, ReadHeaderTimeout: 5 * time.Second}
	f.serving.Go(func() {
		if err := f.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
		}
	})
	return f, nil
}

func (f *flaky) stop() {
	_ = f.server.Close()
	f.serving.Wait()
}

// will sets the coming answers, and counts requests anew.
func (f *flaky) will(answers ...answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests, f.left, f.answers = 0, nil, answers
}

func (f *flaky) seen() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

func (f *flaky) timesLeft() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.left
}

// next takes note of a request and returns its number and its answer.
func (f *flaky) next(r *http.Request) (number int, a answer) {
	milliseconds, _ := strconv.Atoi(r.Header.Get(retry.TimeoutHeader))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	f.left = append(f.left, time.Duration(milliseconds)*time.Millisecond)
	a = f.answers[0]
	if len(f.answers) > 1 {
		f.answers = f.answers[1:]
	}
	return f.requests, a
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, a := f.next(r)
	if a.after > 0 {
		work := time.NewTimer(a.after)
		defer work.Stop()
		select {
		case <-work.C:
		case <-r.Context().Done(): // the client has left
			return
		}
	}
	if a.retryAfter != "" {
		w.Header().Set("Retry-After", a.retryAfter)
	}
	w.WriteHeader(a.status)
	fmt.Fprintf(w, "request %d", number)
}
