package policy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// A pipes is a listener for connections within a bubble.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
	close  func()
	dialed atomic.Int32
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "server"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.accept <- theirs:
		p.dialed.Add(1)
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closed:
		return nil, &net.OpError{Op: "dial", Err: errors.New("closed")}
	}
}

// bubbleServer starts a server that a bubble can use, and returns a transport to
// it, whatever the host, and the number of connections so far.
func bubbleServer(t *testing.T, handler http.HandlerFunc) (*http.Transport, *atomic.Int32) {
	t.Helper()
	p := &pipes{accept: make(chan net.Conn), closed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	server := &httptest.Server{Listener: p, Config: &http.Server{Handler: handler, ReadHeaderTimeout: time.Hour}}
	server.Start()
	base := &http.Transport{DialContext: p.dial}
	t.Cleanup(func() {
		base.CloseIdleConnections()
		server.Close()
	})
	return base, &p.dialed
}

func client(p *policy.Policy, base http.RoundTripper) *http.Client {
	return &http.Client{Transport: policy.Transport(p, base)}
}

func request(t *testing.T, to string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, http.NoBody)
	assert.NoError(t, err)
	return r
}

func get(t *testing.T, c *http.Client, to string) (*http.Response, error) {
	t.Helper()
	return c.Do(request(t, to))
}

func send(t *testing.T, c *http.Client, method, to string, body io.Reader) (*http.Response, error) {
	t.Helper()
	r := request(t, to)
	r.Method, r.Body = method, io.NopCloser(body)
	return c.Do(r)
}

// failure returns the error of a request that must have no response.
func failure(t *testing.T, do func(*http.Request) (*http.Response, error), r *http.Request) error {
	t.Helper()
	response, err := do(r)
	if err == nil {
		response.Body.Close()
		t.Errorf("got a response: %s", response.Status)
	}
	return err
}

// text reads a body to its end and closes it.
func text(t *testing.T, r *http.Response) string {
	t.Helper()
	defer r.Body.Close()
	read, err := io.ReadAll(r.Body)
	assert.NoError(t, err)
	return string(read)
}

// A roundTripFunc is a RoundTripper of one function.
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// fastRetries has delays that no test waits for.
func fastRetries(t testing.TB) *retry.Policy {
	t.Helper()
	return newRetry(t, retry.Config{BaseDelay: time.Microsecond, MaxDelay: time.Microsecond})
}

// TestStormOf503 sends many requests, over a real connection, to a server that is
// overloaded. It is not parallel: whoever closes an httptest.Server closes the
// connections of http.DefaultTransport too.
func TestStormOf503(t *testing.T) {
	var requests, connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		http.Error(w, "overloaded", http.StatusServiceUnavailable)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	group, err := breaker.NewGroup(breaker.GroupConfig{Breaker: breaker.Config{ConsecutiveFailures: 30}})
	assert.NoError(t, err)
	bulkhead := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 1})
	p := newPolicy(t, policy.Config{
		Timeout: time.Minute, Retry: fastRetries(t), Bulkhead: bulkhead, Breaker: group, AttemptTimeout: 30 * time.Second,
	})
	c := p.Client("payments")
	before := runtime.NumGoroutine()
	for number := range 50 {
		response, err := get(t, c, server.URL)
		if number < 10 {
			assert.NoError(t, err)
			assert.Equal(t, response.StatusCode, http.StatusServiceUnavailable)
			assert.Equal(t, text(t, response), "overloaded\n", "the last response comes whole")
			continue
		}
		assert.ErrorAs[*url.Error](t, err)
		assert.Equal(t, assert.ErrorAs[*breaker.OpenError](t, err).State, breaker.Open)
	}
	assert.Equal(t, requests.Load(), 30, "10 requests of 3 attempts, and none since")
	assert.Equal(t, connections.Load(), 1)
	assert.Equal(t, bulkhead.InFlight(), 0)
	assert.True(t, runtime.NumGoroutine() < before+20, "%d goroutines, %d before", runtime.NumGoroutine(), before)
	assert.Equal(t, group.For("payments").State(), breaker.Open)
	assert.Equal(t, group.Len(), 1, "the host is no key of Client")
}

func TestTransportAsksTheGroupForTheHost(t *testing.T) {
	t.Parallel()
	group, err := breaker.NewGroup(breaker.GroupConfig{Breaker: breaker.Config{ConsecutiveFailures: 1}})
	assert.NoError(t, err)
	base := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		status := http.StatusOK
		if r.URL.Host == "down:81" {
			status = http.StatusInternalServerError
		}
		return &http.Response{StatusCode: status, Body: http.NoBody}, nil
	})
	c := client(newPolicy(t, policy.Config{Name: "all", Breaker: group}), base)
	for _, host := range []string{"down:81", "up"} {
		response, err := get(t, c, "http://"+host)
		assert.NoError(t, err)
		response.Body.Close()
	}
	err = failure(t, c.Do, request(t, "http://down:81"))
	assert.Equal(t, assert.ErrorAs[*breaker.OpenError](t, err).Name, "down:81")
	assert.Equal(t, group.For("up").State(), breaker.Closed)
	assert.Equal(t, group.Len(), 2)
}

// TestEachAttemptTellsItsTimeout: the server sees what is left for the attempt.
func TestEachAttemptTellsItsTimeout(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config policy.Config
		want   []string
	}{
		"of the policy": { // 10 s, a request of 2 s, a delay of 1 s, ...
			policy.Config{Timeout: 10 * time.Second}, []string{"10000", "7000", "3000"},
		},
		"of the attempt while it is shorter": {
			policy.Config{Timeout: 10 * time.Second, AttemptTimeout: 5 * time.Second}, []string{"5000", "5000", "3000"},
		},
		"of the attempt": {policy.Config{AttemptTimeout: 5 * time.Second}, []string{"5000", "5000", "5000"}},
		"none":           {policy.Config{}, []string{"", "", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var told journal
				base, _ := bubbleServer(t, func(w http.ResponseWriter, r *http.Request) {
					told.add("%s", r.Header.Get(retry.TimeoutHeader))
					time.Sleep(2 * time.Second)
					w.WriteHeader(http.StatusServiceUnavailable)
				})
				test.config.Retry = newRetry(t, retry.Config{BaseDelay: time.Second, Jitter: retry.NoJitter})
				response, err := get(t, client(newPolicy(t, test.config), base), "http://server")
				assert.NoError(t, err)
				response.Body.Close()
				assert.Equal(t, response.Request.Header.Get(retry.TimeoutHeader), "", "it is the caller's request")
				assert.Equal(t, told.all(), test.want)
			})
		})
	}
}

func TestEachAttemptHasItsTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int32
		base, _ := bubbleServer(t, func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1) < 3 {
				<-r.Context().Done()
			}
			fmt.Fprint(w, "receipt")
		})
		b, bulkhead := newBreaker(t, breaker.Config{CountCalls: true}), newBulkhead(t, policy.BulkheadConfig{})
		c := client(newPolicy(t, policy.Config{
			Timeout:  time.Minute,
			Retry:    newRetry(t, retry.Config{BaseDelay: time.Second, Jitter: retry.NoJitter}),
			Bulkhead: bulkhead, Breaker: b, AttemptTimeout: 2 * time.Second,
		}), base)
		start := time.Now()
		response, err := get(t, c, "http://server")
		assert.NoError(t, err)
		assert.Equal(t, text(t, response), "receipt")
		assert.Equal(t, time.Since(start), 7*time.Second) // 2 + 1 + 2 + 2
		assert.Equal(t, b.Snapshot().Failures, 2)
		assert.Equal(t, b.Snapshot().Successes, 1)
		assert.Equal(t, bulkhead.InFlight(), 0)
	})
}

// TestTimeoutsHoldUntilTheBodyEnds reads a body that comes slowly: a line a second.
func TestTimeoutsHoldUntilTheBodyEnds(t *testing.T) {
	t.Parallel()
	const second = time.Second
	retries := func(t *testing.T) *retry.Policy { return newRetry(t, retry.Config{}) }
	for name, test := range map[string]struct {
		config func(t *testing.T) policy.Config
		lines  int // that the server sends
		took   time.Duration
		fails  bool
	}{
		"timeout": {
			config: func(*testing.T) policy.Config { return policy.Config{Timeout: 3500 * time.Millisecond} },
			lines:  9, took: 3500 * time.Millisecond, fails: true,
		},
		"timeout and retry": {
			config: func(t *testing.T) policy.Config {
				return policy.Config{Timeout: 3500 * time.Millisecond, Retry: retries(t)}
			},
			lines: 9, took: 3500 * time.Millisecond, fails: true,
		},
		"attempt timeout": {
			config: func(*testing.T) policy.Config {
				return policy.Config{Timeout: time.Minute, AttemptTimeout: 2500 * time.Millisecond}
			},
			lines: 9, took: 2500 * time.Millisecond, fails: true,
		},
		"attempt timeout and retry": {
			config: func(t *testing.T) policy.Config {
				return policy.Config{Timeout: time.Minute, Retry: retries(t), AttemptTimeout: 2500 * time.Millisecond}
			},
			lines: 9, took: 2500 * time.Millisecond, fails: true,
		},
		"enough": {
			config: func(t *testing.T) policy.Config {
				return policy.Config{Timeout: 5 * second, Retry: retries(t), AttemptTimeout: 4 * second}
			},
			lines: 3, took: 3 * second,
		},
		"enough without retry": {
			config: func(*testing.T) policy.Config {
				return policy.Config{Timeout: 5 * second, AttemptTimeout: 4 * second}
			},
			lines: 3, took: 3 * second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				base, _ := bubbleServer(t, func(w http.ResponseWriter, r *http.Request) {
					for range test.lines {
						w.(http.Flusher).Flush()
						time.Sleep(second)
						if r.Context().Err() != nil {
							return
						}
						fmt.Fprint(w, "line\n")
					}
				})
				config := test.config(t)
				bulkhead := newBulkhead(t, policy.BulkheadConfig{})
				config.Bulkhead, config.Breaker = bulkhead, newBreaker(t, breaker.Config{})
				start := time.Now()
				response, err := get(t, client(newPolicy(t, config), base), "http://server")
				assert.NoError(t, err)
				assert.Equal(t, time.Since(start), 0)
				defer response.Body.Close()
				assert.Equal(t, bulkhead.InFlight(), 1)
				got, err := io.ReadAll(response.Body)
				assert.Equal(t, time.Since(start), test.took)
				assert.Equal(t, bulkhead.InFlight(), 0, "nothing more can come")
				if !test.fails {
					assert.NoError(t, err)
					assert.Equal(t, string(got), strings.Repeat("line\n", test.lines))
					return
				}
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, string(got), strings.Repeat("line\n", int(test.took/second)))
				if config.AttemptTimeout > 0 {
					checkTimeout(config.AttemptTimeout)(t, err)
				}
			})
		})
	}
}

func TestRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int32
		base, connections := bubbleServer(t, func(w http.ResponseWriter, _ *http.Request) {
			if requests.Add(1) == 1 {
				w.Header().Set("Retry-After", "7")
				http.Error(w, "later", http.StatusTooManyRequests)
				return
			}
			fmt.Fprint(w, "receipt")
		})
		c := client(newPolicy(t, policy.Config{Timeout: time.Minute, Retry: fastRetries(t)}), base)
		start := time.Now()
		response, err := get(t, c, "http://server")
		assert.NoError(t, err)
		assert.Equal(t, text(t, response), "receipt")
		took := time.Since(start)
		assert.True(t, took >= 7*time.Second && took < 8*time.Second, "took %s", took)
		assert.Equal(t, connections.Load(), 1)
	})
}

func TestHedgedRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int32
		base, _ := bubbleServer(t, func(w http.ResponseWriter, r *http.Request) {
			number := requests.Add(1)
			got, _ := io.ReadAll(r.Body)
			if number == 1 {
				<-r.Context().Done()
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(time.Second) // the end of the other one must not end this
			w.Write(got)
		})
		b, bulkhead := newBreaker(t, breaker.Config{CountCalls: true}), newBulkhead(t, policy.BulkheadConfig{})
		c := client(newPolicy(t, policy.Config{
			Timeout:  time.Minute,
			Hedge:    newHedge(t, retry.HedgeConfig{Delay: time.Second}),
			Bulkhead: bulkhead, Breaker: b, AttemptTimeout: 10 * time.Second,
		}), base)
		start := time.Now()
		response, err := send(t, c, http.MethodPut, "http://server", strings.NewReader("order"))
		assert.NoError(t, err)
		assert.Equal(t, time.Since(start), time.Second)
		assert.Equal(t, text(t, response), "order")
		synctest.Wait()
		assert.Equal(t, requests.Load(), 2)
		assert.Equal(t, bulkhead.InFlight(), 0)
		assert.Equal(t, b.Snapshot().Failures, 0)
		assert.Equal(t, b.Snapshot().Neutral, 1)
	})
}

// TestDeadlineReachesTheSecondHop: the caller's deadline ends the work of a server
// behind the server.
func TestDeadlineReachesTheSecondHop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var had time.Duration
		ended := make(chan time.Duration, 1)
		start := time.Now()
		second, _ := bubbleServer(t, retry.DeadlineHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			had = left(r.Context())
			<-r.Context().Done()
			ended <- time.Since(start)
			time.Sleep(time.Second) // or it would answer at the same moment
		}), 0).ServeHTTP)
		p := newPolicy(t, policy.Config{Timeout: 10 * time.Second, Retry: fastRetries(t)})
		first, _ := bubbleServer(t, retry.DeadlineHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			inner, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://second", http.NoBody)
			if err != nil {
				panic(err)
			}
			err = failure(t, client(p, second).Do, inner)
			if err == nil || r.Context().Err() == nil {
				t.Errorf("got %v before the deadline", err)
			}
			time.Sleep(time.Second) // as above
			w.WriteHeader(http.StatusGatewayTimeout)
		}), 0).ServeHTTP)
		outer := newPolicy(t, policy.Config{Timeout: 3 * time.Second})
		err := failure(t, client(outer, first).Do, request(t, "http://first"))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, <-ended, 3*time.Second)
		assert.Equal(t, had, 2*time.Second)
	})
}

// A closing is a body that knows whether it is closed.
type closing struct {
	io.Reader

	closed atomic.Bool
}

func (c *closing) Close() error {
	c.closed.Store(true)
	return nil
}

// The other side has no part in it when an attempt has too little time to be sent.
func TestTooShortAnAttemptIsNoFailureOfTheServer(t *testing.T) {
	t.Parallel()
	b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1})
	p := newPolicy(t, policy.Config{AttemptTimeout: 900 * time.Microsecond, Breaker: b})
	transport := policy.Transport(p, roundTripFunc(func(*http.Request) (*http.Response, error) {
		t.Error("sent")
		return nil, errDown
	}))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server", http.NoBody)
	assert.NoError(t, err)
	_, err = transport.RoundTrip(r) //nolint:bodyclose // there is no response
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, b.State(), breaker.Closed)
}

func TestBodyOfARequestThatIsNotSentIsClosed(t *testing.T) {
	t.Parallel()
	late, cancel := context.WithTimeout(t.Context(), 900*time.Microsecond)
	defer cancel()
	for name, test := range map[string]struct {
		ctx    context.Context
		config policy.Config
		want   error
	}{
		"open breaker": {t.Context(), policy.Config{Breaker: open(t, breaker.Config{})}, breaker.ErrOpen},
		"open breaker and a queue": {
			t.Context(),
			policy.Config{Breaker: open(t, breaker.Config{}), Bulkhead: newBulkhead(t, policy.BulkheadConfig{})},
			breaker.ErrOpen,
		},
		"full bulkhead": {t.Context(), policy.Config{Bulkhead: fullBulkhead(t)}, policy.ErrFull},
		"limit": {
			t.Context(), policy.Config{Limit: limiterFunc(func(context.Context) error { return errDown })}, errDown,
		},
		"no time": {late, policy.Config{Breaker: newBreaker(t, breaker.Config{})}, context.DeadlineExceeded},
	} {
		for _, retries := range []bool{false, true} {
			if retries {
				test.config.Retry = newRetry(t, retry.Config{RetryIf: always})
			}
			body := &closing{Reader: strings.NewReader("order")}
			r, err := http.NewRequestWithContext(test.ctx, http.MethodPost, "http://server", body)
			assert.NoError(t, err)
			transport := policy.Transport(newPolicy(t, test.config), roundTripFunc(func(*http.Request) (*http.Response, error) {
				t.Errorf("%s: sent", name)
				return nil, errDown
			}))
			err = failure(t, transport.RoundTrip, r)
			assert.ErrorIs(t, err, test.want, name)
			assert.True(t, body.closed.Load(), "%s: body left open", name)
		}
	}
}

// TestTooLittleTimeIsNotTheOtherSidesFault: what is not sent fails nowhere.
func TestTooLittleTimeIsNotTheOtherSidesFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1})
		bulkhead := newBulkhead(t, policy.BulkheadConfig{})
		c := client(newPolicy(t, policy.Config{Timeout: 999 * time.Microsecond, Bulkhead: bulkhead, Breaker: b}), nil)
		err := failure(t, c.Do, request(t, "http://server"))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, b.State(), breaker.Closed)
		assert.Equal(t, bulkhead.InFlight(), 0)
	})
}

func TestPlaceIsHeldWhileTheCallIsUnderWay(t *testing.T) {
	t.Parallel()
	respond := func(status int, body io.ReadCloser) roundTripFunc {
		return func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Body: body}, nil
		}
	}
	for name, test := range map[string]struct {
		base  roundTripFunc
		then  func(r *http.Response)
		after int // places taken after the header
	}{
		"read": {
			respond(200, io.NopCloser(strings.NewReader("receipt"))),
			func(r *http.Response) { _, _ = io.Copy(io.Discard, r.Body) }, 1,
		},
		"read and closed by two": {
			respond(200, io.NopCloser(strings.NewReader("receipt"))),
			func(r *http.Response) {
				var both sync.WaitGroup
				both.Go(func() { _, _ = io.Copy(io.Discard, r.Body) })
				both.Go(func() { r.Body.Close() })
				both.Wait()
			},
			1,
		},
		"closed": {
			respond(500, io.NopCloser(strings.NewReader("receipt"))),
			func(r *http.Response) { r.Body.Close(); r.Body.Close() }, 1,
		},
		"failed": {
			respond(200, io.NopCloser(io.MultiReader(strings.NewReader("rec"), failing{}))),
			func(r *http.Response) { _, _ = io.Copy(io.Discard, r.Body) }, 1,
		},
		"without a body":    {respond(204, http.NoBody), func(*http.Response) {}, 0},
		"with a nil body":   {respond(200, nil), func(*http.Response) {}, 0},
		"upgraded":          {respond(101, io.NopCloser(strings.NewReader("frames"))), func(*http.Response) {}, 0},
		"without an answer": {func(*http.Request) (*http.Response, error) { return nil, errDown }, func(*http.Response) {}, 0},
		"with nothing":      {func(*http.Request) (*http.Response, error) { return nil, nil }, func(*http.Response) {}, 0},
		"panic":             {func(*http.Request) (*http.Response, error) { panic("boom") }, func(*http.Response) {}, 0},
	} {
		for _, adaptive := range []*policy.Gradient{nil, {}} {
			bulkhead := newBulkhead(t, policy.BulkheadConfig{Adaptive: adaptive})
			transport := policy.Transport(newPolicy(t, policy.Config{
				Timeout: time.Minute, Bulkhead: bulkhead, AttemptTimeout: time.Second,
			}), test.base)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server", http.NoBody)
			assert.NoError(t, err)
			var response *http.Response
			send := func() { response, _ = transport.RoundTrip(r) } //nolint:bodyclose // each case ends it as it says
			if name == "panic" {
				assert.Panics(t, send)
			} else {
				send()
			}
			assert.Equal(t, bulkhead.InFlight(), test.after, name)
			test.then(response)
			assert.Equal(t, bulkhead.InFlight(), 0, name)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errDown }

// TestAdaptiveLimitDoesNotMeasureTheReader: who reads slowly does not make the
// other side slow.
func TestAdaptiveLimitDoesNotMeasureTheReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bulkhead := newBulkhead(t, policy.BulkheadConfig{Adaptive: &policy.Gradient{InitialLimit: 20, MinLimit: 1}})
		transport := policy.Transport(newPolicy(t, policy.Config{Bulkhead: bulkhead}), roundTripFunc(
			func(*http.Request) (*http.Response, error) {
				time.Sleep(10 * time.Millisecond)
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("receipt"))}, nil
			}))
		least := bulkhead.Limit()
		for round := range 50 {
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server", http.NoBody)
					if err != nil {
						panic(err)
					}
					response, err := transport.RoundTrip(r)
					if err != nil {
						return // no place while the limit looks
					}
					time.Sleep(time.Duration(round) * time.Second)
					response.Body.Close()
				})
			}
			all.Wait()
			if round < 20 { // it has not looked yet what an empty queue gives
				least = min(least, bulkhead.Limit())
			}
		}
		assert.Equal(t, least, 20)
		assert.Equal(t, bulkhead.InFlight(), 0)
	})
}

// TestAdaptiveLimitGrowsWhileBodiesAreRead: those who wait have the new places at
// once.
func TestAdaptiveLimitGrowsWhileBodiesAreRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bulkhead := newBulkhead(t, policy.BulkheadConfig{
			MaxQueue: 100, Adaptive: &policy.Gradient{InitialLimit: 10, MinLimit: 1, Queue: 4, Smoothing: 1},
		})
		transport := policy.Transport(newPolicy(t, policy.Config{Bulkhead: bulkhead}), roundTripFunc(
			func(*http.Request) (*http.Response, error) {
				time.Sleep(time.Second)
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("receipt"))}, nil
			}))
		var all sync.WaitGroup
		read := make(chan struct{})
		for range 14 {
			all.Go(func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server", http.NoBody)
				if err != nil {
					panic(err)
				}
				response, err := transport.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				<-read
				response.Body.Close()
			})
		}
		time.Sleep(500 * time.Millisecond)
		assert.Equal(t, bulkhead.Queued(), 4)
		time.Sleep(time.Second)
		assert.Equal(t, bulkhead.Limit(), 14)
		assert.Equal(t, bulkhead.Queued(), 0)
		close(read)
		all.Wait()
		assert.Equal(t, bulkhead.InFlight(), 0)
	})
}

func TestAdaptiveLimitLearnsFromStatuses(t *testing.T) {
	t.Parallel()
	for status, falls := range map[int]bool{200: false, 404: false, 429: true, 500: true, 501: false, 503: true, 504: true} {
		bulkhead := newBulkhead(t, policy.BulkheadConfig{Adaptive: &policy.Gradient{InitialLimit: 10, MinLimit: 1}})
		c := client(newPolicy(t, policy.Config{Bulkhead: bulkhead}), roundTripFunc(
			func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("text"))}, nil
			}))
		for range 12 {
			response, err := get(t, c, "http://server")
			assert.NoError(t, err)
			assert.Equal(t, text(t, response), "text")
		}
		assert.Equal(t, bulkhead.Limit() < 10, falls, "%d: limit %d", status, bulkhead.Limit())
	}
}

// TestTimeoutIsNamedWhateverTheBaseSays: http.Transport returns the cause of a
// context, but others return its error.
func TestTimeoutIsNamedWhateverTheBaseSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport := policy.Transport(newPolicy(t, policy.Config{AttemptTimeout: time.Second}), roundTripFunc(
			func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/header" {
					_, err := hang(r.Context())
					return nil, err
				}
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(hanging{r.Context()})}, nil
			}))
		checkTimeout(time.Second)(t, failure(t, transport.RoundTrip, request(t, "http://server/header")))
		r := request(t, "http://server/body")
		response, err := transport.RoundTrip(r)
		assert.NoError(t, err)
		assert.True(t, response.Request == r, "the request of the caller")
		_, err = io.ReadAll(response.Body)
		checkTimeout(time.Second)(t, err)
		assert.NoError(t, response.Body.Close())
	})
}

// A hanging body has nothing until its context ends.
type hanging struct{ ctx context.Context }

func (h hanging) Read([]byte) (int, error) {
	_, err := hang(h.ctx)
	return 0, err
}

func TestContextOfARequestEndsWithIt(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]policy.Config{
		"timeout":         {Timeout: time.Minute},
		"attempt timeout": {AttemptTimeout: time.Minute},
		"retry":           {Timeout: time.Minute, Retry: fastRetries(t)},
	} {
		inner := make(chan context.Context, 2)
		status, body := 204, io.ReadCloser(http.NoBody)
		c := client(newPolicy(t, config), roundTripFunc(func(r *http.Request) (*http.Response, error) {
			inner <- r.Context()
			return &http.Response{StatusCode: status, Body: body}, nil
		}))
		response, err := get(t, c, "http://server")
		assert.NoError(t, err)
		assert.Error(t, (<-inner).Err(), "%s: no body", name)
		response.Body.Close()

		status, body = 200, io.NopCloser(strings.NewReader("receipt"))
		response, err = get(t, c, "http://server")
		assert.NoError(t, err)
		ctx := <-inner
		assert.NoError(t, ctx.Err(), name)
		assert.NoError(t, response.Body.Close())
		assert.Error(t, ctx.Err(), "%s: closed", name)
	}
}

func TestRequestWithoutURL(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, policy.Config{Bulkhead: newBulkhead(t, policy.BulkheadConfig{}), Breaker: newBreaker(t, breaker.Config{})})
	err := failure(t, policy.Transport(p, &http.Transport{}).RoundTrip, (&http.Request{}).WithContext(t.Context()))
	assert.Contains(t, err.Error(), "nil Request.URL")
}

func TestNilPolicyIsItsBase(t *testing.T) {
	t.Parallel()
	base := &http.Transport{}
	assert.True(t, policy.Transport(nil, base) == http.RoundTripper(base))
	assert.True(t, policy.Transport(nil, nil) == http.DefaultTransport)
	assert.True(t, (*policy.Policy)(nil).Client("payments").Transport == http.DefaultTransport)
	assert.Equal(t, newPolicy(t, policy.Config{Timeout: time.Second}).Client("payments").Timeout, 0)
}

// An idle is a base that counts how often its connections were closed.
type idle struct {
	roundTripFunc

	closed int
}

func (i *idle) CloseIdleConnections() { i.closed++ }

func TestIdleConnectionsCanBeClosed(t *testing.T) {
	t.Parallel()
	base := &idle{}
	client(newPolicy(t, policy.Config{Timeout: time.Second}), base).CloseIdleConnections()
	assert.Equal(t, base.closed, 1)
	client(newPolicy(t, policy.Config{}), roundTripFunc(nil)).CloseIdleConnections() // has none
}

// TestClientsOfOnePolicyHaveTheirOwnBreakers: the name decides, not the host.
func TestClientsOfOnePolicyHaveTheirOwnBreakers(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	group, err := breaker.NewGroup(breaker.GroupConfig{Breaker: breaker.Config{ConsecutiveFailures: 1}})
	assert.NoError(t, err)
	p := newPolicy(t, policy.Config{Name: "all", Breaker: group})
	for _, name := range []string{"search", "processing"} {
		response, err := get(t, p.Client(name), server.URL)
		assert.NoError(t, err, name)
		response.Body.Close()
		err = failure(t, p.Client(name).Do, request(t, server.URL))
		assert.Equal(t, assert.ErrorAs[*breaker.OpenError](t, err).Name, name)
	}
}
