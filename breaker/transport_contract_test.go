package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

// A body counts how often it was closed.
type body struct {
	io.Reader
	closed int
}

func (b *body) Close() error { b.closed++; return nil }

func TestRejectedRequestIsClosed(t *testing.T) {
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		mode breaker.Mode
		ctx  context.Context
		want error
	}{
		"by a breaker":            {breaker.ForcedOpen, t.Context(), breaker.ErrOpen},
		"by a context":            {breaker.Automatic, dead, context.Canceled},
		"by a breaker, unguarded": {breaker.Disabled, dead, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			rt := breaker.Transport(newBreaker(t, breaker.Config{Mode: test.mode}), tripper(func(*http.Request) (*http.Response, error) {
				t.Error("the request was sent")
				return nil, io.EOF
			}))
			content := &body{Reader: strings.NewReader("content")}
			for _, req := range []*http.Request{
				newRequest(t, test.ctx, content), newRequest(t, test.ctx, nil), newRequest(t, test.ctx, http.NoBody),
			} {
				resp, err := rt.RoundTrip(req)
				if resp != nil {
					resp.Body.Close()
					t.Error("there is a response")
				}
				assert.ErrorIs(t, err, test.want)
			}
			assert.Equal(t, content.closed, 1)
		})
	}
}

// TestRequestWithoutAStreamIsPassedOn: there is nothing to watch.
func TestRequestWithoutAStreamIsPassedOn(t *testing.T) {
	for name, req := range map[string]*http.Request{
		"no body":        newRequest(t, t.Context(), nil),
		"an empty body":  newRequest(t, t.Context(), http.NoBody),
		"body in memory": newRequest(t, t.Context(), strings.NewReader("content")),
	} {
		rt := breaker.Transport(newBreaker(t, breaker.Config{}), tripper(func(got *http.Request) (*http.Response, error) {
			assert.True(t, got == req, name)
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		}))
		resp, err := rt.RoundTrip(req)
		assert.NoError(t, err)
		resp.Body.Close()
	}
}

// TestRequestAndResponseAreUntouched: base gets what the caller gave, and the
// caller what base gave.
func TestRequestAndResponseAreUntouched(t *testing.T) {
	for _, status := range []int{200, 429, 503} {
		content := &body{Reader: strings.NewReader("content")}
		req := newRequest(t, t.Context(), content)
		before := *req
		answer := &body{Reader: strings.NewReader("answer")}
		want := &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"1"}}, Body: answer}
		beforeAnswer := *want
		rt := breaker.Transport(newBreaker(t, breaker.Config{}), tripper(func(got *http.Request) (*http.Response, error) {
			sent := *got
			sent.Body = req.Body // which is watched
			assert.Equal(t, sent, before)
			return want, nil
		}))
		got, err := rt.RoundTrip(req)
		assert.NoError(t, err)
		assert.True(t, got == want, "the same response")
		assert.Equal(t, *req, before)
		assert.Equal(t, *got, beforeAnswer)
		assert.Equal(t, answer.closed, 0, "closing the answer is up to the caller")
		assert.Equal(t, content.closed, 0, "closing the request is up to base")
		rest, err := io.ReadAll(got.Body)
		assert.NoError(t, err)
		assert.Equal(t, string(rest), "answer")
		got.Body.Close()
	}
}

func TestRoundTripperThatDoesNotReturn(t *testing.T) {
	for name, test := range map[string]struct {
		leave func()
		want  any
	}{
		"but panics":             {func() { panic("broken") }, "broken"},
		"but ends its goroutine": {runtime.Goexit, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBreaker(t, breaker.Config{ConsecutiveFailures: 2, ResetTimeout: time.Minute})
				leave := test.leave
				rt := breaker.Transport(b, tripper(func(req *http.Request) (*http.Response, error) {
					leave()
					return answers(200)(req)
				}))
				play := func() {
					done := make(chan any)
					go func() {
						defer func() { done <- recover() }()
						_ = send(t, rt)
						t.Error("base has returned")
					}()
					assert.Equal(t, <-done, test.want)
				}
				play()
				assert.Equal(t, b.State(), breaker.Closed)
				play()
				assert.Equal(t, b.State(), breaker.Open, "both were failures")
				time.Sleep(time.Minute)
				play()
				assert.Equal(t, b.State(), breaker.Open, "and so was the probe")
				time.Sleep(2 * time.Minute)
				leave = func() {}
				assert.NoError(t, send(t, rt))
				assert.Equal(t, b.State(), breaker.Closed, "and it recovers")
			})
		})
	}
}

// TestResponseIsNotLostInAHook: when the hook panics, nobody else can close it.
func TestResponseIsNotLostInAHook(t *testing.T) {
	for name, leave := range map[string]func(){
		"that panics":             func() { panic("broken") },
		"that ends its goroutine": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			content := &body{Reader: strings.NewReader("content")}
			b := newBreaker(t, breaker.Config{
				ConsecutiveFailures: 1,
				Hooks:               breaker.Hooks{Transition: func(breaker.Transition) { leave() }},
			})
			rt := breaker.Transport(b, tripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: content}, nil
			}))
			done := make(chan any)
			go func() {
				defer func() { done <- recover() }()
				_ = send(t, rt)
				t.Error("the hook has returned")
			}()
			<-done
			assert.Equal(t, content.closed, 1)
			assert.Equal(t, b.State(), breaker.Open)
		})
	}
}

func TestRoundTripperThatReturnsNothing(t *testing.T) {
	b := newBreaker(t, breaker.Config{})
	err := send(t, breaker.Transport(b, tripper(func(*http.Request) (*http.Response, error) { return nil, nil }))) //nolint:nilnil // that is the fault
	assert.Error(t, err)
	assert.Contains(t, err.Error(), "breaker: RoundTripper breaker_test.tripper returned neither a response nor an error")
	assert.Equal(t, counted(b), "failure")
}

// TestRoundTripperThatReturnsBoth breaks its contract too: nobody else can close
// what it returned.
func TestRoundTripperThatReturnsBoth(t *testing.T) {
	broken := errors.New("broken")
	want := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	b := newBreaker(t, breaker.Config{})
	got, err := breaker.Transport(b, tripper(func(*http.Request) (*http.Response, error) { return want, broken })).
		RoundTrip(newRequest(t, t.Context(), nil))
	assert.True(t, got == want, "the response is handed on")
	got.Body.Close()
	assert.ErrorIs(t, err, broken)
	assert.Equal(t, counted(b), "failure")
}

func TestRequestWithoutURL(t *testing.T) {
	rt := breaker.Transport(newBreaker(t, breaker.Config{}), nil)
	content := &body{Reader: strings.NewReader("content")}
	resp, err := rt.RoundTrip(&http.Request{Body: content})
	if resp != nil {
		resp.Body.Close()
	}
	assert.Error(t, err)
	assert.Equal(t, content.closed, 1)
}

func TestTransportPanicsWithoutBreakers(t *testing.T) {
	assert.Contains(t, fmt.Sprint(assert.Panics(t, func() { breaker.Transport(nil, nil) })), "breaker: Transport")
}

// TestOnlyTheProbeReachesTheServer while many clients ask at once.
func TestOnlyTheProbeReachesTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = 100
		b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1, ResetTimeout: time.Minute})
		status, answer := 503, make(chan struct{})
		var requests, rejected atomic.Int32
		rt := breaker.Transport(b, tripper(func(req *http.Request) (*http.Response, error) {
			if requests.Add(1) > 1 {
				<-answer
			}
			return answers(status)(req)
		}))
		assert.NoError(t, send(t, rt))
		status = 200
		time.Sleep(time.Minute)
		for range clients {
			go func() {
				if send(t, rt) != nil {
					rejected.Add(1)
				}
			}()
		}
		synctest.Wait()
		assert.Equal(t, requests.Load(), 2, "the one that tripped it and the probe")
		assert.Equal(t, rejected.Load(), clients-1)
		assert.Equal(t, b.State(), breaker.HalfOpen)
		close(answer)
		synctest.Wait()
		assert.Equal(t, b.State(), breaker.Closed)
	})
}

// TestTransportWithoutBase uses the default transport, and leaves nothing behind.
func TestTransportWithoutBase(t *testing.T) {
	before := runtime.NumGoroutine()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/503" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, "hello")
	}))
	client := &http.Client{Transport: breaker.Transport(newBreaker(t, breaker.Config{}), nil)}
	for n := range 100 {
		target := server.URL
		if n >= 50 {
			target += "/503"
		}
		_, err := get(t, client, target)
		if n < 55 {
			assert.NoError(t, err)
		} else {
			assert.ErrorIs(t, err, breaker.ErrOpen)
		}
	}
	client.CloseIdleConnections()
	server.Close()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond) // the network's goroutines end when they like
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

type closer struct {
	tripper
	closed int
}

func (c *closer) CloseIdleConnections() { c.closed++ }

func TestCloseIdleConnectionsReachesBase(t *testing.T) {
	base := &closer{}
	client := &http.Client{Transport: breaker.Transport(newBreaker(t, breaker.Config{}), base)}
	client.CloseIdleConnections()
	assert.Equal(t, base.closed, 1)
	client.Transport = breaker.Transport(newBreaker(t, breaker.Config{}), answers(200))
	client.CloseIdleConnections() // which base does not know
}

func TestTransportDoesNotAllocate(t *testing.T) {
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	base := tripper(func(*http.Request) (*http.Response, error) { return resp, nil })
	req := newRequest(t, t.Context(), nil)
	for name, breakers := range map[string]breaker.Breakers{
		"breaker":               newBreaker(t, breaker.Config{}),
		"breaker with a window": newBreaker(t, breaker.Config{FailureRate: 0.5}),
		"group":                 newGroup(t, breaker.GroupConfig{}),
		"group with slow calls": newGroup(t, breaker.GroupConfig{Breaker: breaker.Config{SlowCallRate: 0.5, SlowCallThreshold: time.Second}}),
		"breaker, disabled":     newBreaker(t, breaker.Config{Mode: breaker.Disabled}),
	} {
		rt := breaker.Transport(breakers, base)
		allocs := testing.AllocsPerRun(100, func() {
			got, err := rt.RoundTrip(req)
			if err != nil {
				t.Error(err)
			}
			got.Body.Close()
		})
		assert.Equal(t, allocs, 0, name)
	}
}
