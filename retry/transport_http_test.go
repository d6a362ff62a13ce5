package retry_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

// newServer starts a server and returns a client of its own for it, and the number
// of connections that were made.
func newServer(t *testing.T, handler http.HandlerFunc) (url string, base *http.Transport, connections *atomic.Int32) {
	t.Helper()
	connections = new(atomic.Int32)
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	base = &http.Transport{}
	t.Cleanup(func() {
		base.CloseIdleConnections()
		server.CloseClientConnections() // those of attempts that were given up
		server.Close()
	})
	return server.URL, base, connections
}

// 50 POSTs meet a server that always answers 503.
func TestTransport_keepsItsConnectionInAStorm(t *testing.T) {
	for name, test := range map[string]struct {
		key      string
		requests int32
	}{
		"with an Idempotency-Key": {"1", 150},
		"without":                 {"", 50},
	} {
		t.Run(name, func(t *testing.T) {
			var requests, wrong atomic.Int32
			answer := bytes.Repeat([]byte("busy "), 2000)
			url, base, connections := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				if body, err := io.ReadAll(r.Body); err != nil || string(body) != "body" {
					wrong.Add(1)
				}
				w.WriteHeader(http.StatusServiceUnavailable)
				w.Write(answer)
			})
			client := &http.Client{Transport: retry.Transport(quick(t, retry.Config{Timeout: time.Minute, AttemptTimeout: time.Minute}), base)}
			var before int
			for i := range 50 {
				r := newRequest(t, "POST", url, strings.NewReader("body"))
				if test.key != "" {
					r.Header.Set(retry.IdempotencyKey, test.key)
				}
				response, err := client.Do(r)
				assert.NoError(t, err)
				assert.Equal(t, response.StatusCode, 503)
				body, err := io.ReadAll(response.Body)
				assert.NoError(t, err)
				assert.True(t, bytes.Equal(body, answer), "the last response was read before")
				response.Body.Close()
				if i == 0 {
					before = runtime.NumGoroutine()
				}
			}
			assert.Equal(t, requests.Load(), test.requests)
			assert.Equal(t, wrong.Load(), 0, "bodies that were not replayed whole")
			assert.Equal(t, connections.Load(), 1, "connections")
			assert.True(t, runtime.NumGoroutine() <= before+2, "%d goroutines, and %d after the first request", runtime.NumGoroutine(), before)
		})
	}
}

// The connection is free during the delay, not only after it.
func TestTransport_freesItsConnectionBeforeTheDelay(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	url, base, connections := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, "body")
	})
	p := newPolicy(t, retry.Config{
		BaseDelay: time.Microsecond, MaxDelay: time.Microsecond,
		Hooks: retry.Hooks{Retry: func(retry.Retry) {
			response, err := base.RoundTrip(newRequest(t, "GET", url, nil))
			assert.NoError(t, err)
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}},
	})
	code, _, err := send(t, p, base, newRequest(t, "GET", url, nil))
	assert.NoError(t, err)
	assert.Equal(t, code, 200)
	assert.Equal(t, requests.Load(), 3)
	assert.Equal(t, connections.Load(), 1)
}

func TestTransport_readsLittleOfWhatNobodyWants(t *testing.T) {
	t.Parallel()
	for name, rest := range map[string]func(w http.ResponseWriter, r *http.Request){
		"an endless body": func(w http.ResponseWriter, _ *http.Request) {
			for part := bytes.Repeat([]byte("a"), 32<<10); ; {
				if _, err := w.Write(part); err != nil {
					return
				}
			}
		},
		"a body that does not come": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "a")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"a long body": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			url, base, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				if requests.Add(1) > 1 {
					return
				}
				if name == "a long body" {
					w.Header().Set("Content-Length", "1000000000")
				}
				w.WriteHeader(http.StatusServiceUnavailable)
				_ = http.NewResponseController(w).Flush()
				rest(w, r)
			})
			begin := time.Now()
			code, _, err := send(t, quick(t, retry.Config{}), base, newRequest(t, "GET", url, nil))
			assert.NoError(t, err)
			assert.Equal(t, code, 200)
			assert.Equal(t, requests.Load(), 2)
			assert.True(t, time.Since(begin) < 5*time.Second, "it took %v", time.Since(begin))
		})
	}
}

func TestTransport_retriesWhenTheConnectionBreaks(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]int32{"GET": 3, "POST": 1} {
		var requests atomic.Int32
		url, base, _ := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			requests.Add(1)
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.Close()
			}
		})
		base.DisableKeepAlives = true // or net/http retries by itself
		_, _, err := send(t, quick(t, retry.Config{}), base, newRequest(t, method, url, strings.NewReader("body")))
		assert.Error(t, err)
		assert.Equal(t, requests.Load(), want, "%s: %v", method, err)
	}
}

func TestTransport_retriesAPOSTThatFoundNobody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	url := server.URL
	server.Close()
	dials := 0
	base := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		dials++
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	_, _, err := send(t, quick(t, retry.Config{}), base, newRequest(t, "POST", url, strings.NewReader("body")))
	assert.Error(t, err)
	assert.Equal(t, assert.ErrorAs[*retry.Error](t, err).Attempts, 3)
	assert.Equal(t, dials, 3)
}

// contextOf remembers the context of the last request.
type contextOf struct {
	base http.RoundTripper
	last context.Context
}

func (c *contextOf) RoundTrip(r *http.Request) (*http.Response, error) {
	c.last = r.Context()
	return c.base.RoundTrip(r)
}

func TestTransport_endsItsTimeWithTheBody(t *testing.T) {
	t.Parallel()
	url, base, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/none" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		fmt.Fprint(w, strings.Repeat("a", 100_000))
	})
	for name, config := range map[string]retry.Config{
		"no times":       {},
		"a timeout":      {Timeout: time.Minute},
		"for an attempt": {AttemptTimeout: time.Minute},
		"both":           {Timeout: time.Minute, AttemptTimeout: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			watched := &contextOf{base: base}
			transport := retry.Transport(newPolicy(t, config), watched)

			response, err := transport.RoundTrip(newRequest(t, "GET", url, nil))
			assert.NoError(t, err)
			assert.NoError(t, watched.last.Err())
			_, err = io.ReadFull(response.Body, make([]byte, 99_999))
			assert.NoError(t, err)
			assert.NoError(t, watched.last.Err(), "before the end")
			_, err = io.ReadAll(response.Body)
			assert.NoError(t, err)
			assert.ErrorIs(t, watched.last.Err(), context.Canceled, "at the end")
			response.Body.Close()

			response, err = transport.RoundTrip(newRequest(t, "GET", url, nil))
			assert.NoError(t, err)
			response.Body.Close()
			assert.ErrorIs(t, watched.last.Err(), context.Canceled, "when it is closed")

			response, err = transport.RoundTrip(newRequest(t, "GET", url+"/none", nil))
			assert.NoError(t, err)
			assert.ErrorIs(t, watched.last.Err(), context.Canceled, "without a body")
			response.Body.Close()
		})
	}
}

// slowBody answers at once, and with the rest of the body never.
func slowBody(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, "a")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func TestTransport_saysThatTheBodyTookTooLong(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	url, base, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		slowBody(w, r)
	})
	_, body, err := send(t, newPolicy(t, retry.Config{AttemptTimeout: 200 * time.Millisecond}), base, newRequest(t, "GET", url, nil))
	assert.Equal(t, assert.ErrorAs[*retry.TimeoutError](t, err).After, 200*time.Millisecond)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, body, "a")
	assert.Equal(t, requests.Load(), 1)

	_, _, err = send(t, newPolicy(t, retry.Config{Timeout: 200 * time.Millisecond}), base, newRequest(t, "GET", url, nil))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	_, isAttempt := errors.AsType[*retry.TimeoutError](err)
	assert.False(t, isAttempt, "it was not the attempt's time: %v", err)
}

func TestTransport_letsTheCallerCancelTheBody(t *testing.T) {
	t.Parallel()
	url, base, _ := newServer(t, slowBody)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := newPolicy(t, retry.Config{Timeout: time.Minute, AttemptTimeout: time.Minute, Hedge: newHedge(t, retry.HedgeConfig{})})
	response, err := retry.Transport(p, base).RoundTrip(newRequest(t, "GET", url, nil).WithContext(ctx))
	assert.NoError(t, err)
	defer response.Body.Close()
	_, err = response.Body.Read(make([]byte, 1))
	assert.NoError(t, err)
	cancel()
	_, err = response.Body.Read(make([]byte, 1))
	assert.ErrorIs(t, err, context.Canceled)
}

func TestTransport_handsOverAConnection(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	url, base, _ := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		line, _ := buffered.ReadString('\n')
		fmt.Fprint(conn, "echo "+line)
	})
	r := newRequest(t, "GET", url, nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "echo")
	// The times are those of the request, not of what follows.
	p := quick(t, retry.Config{Timeout: time.Minute, AttemptTimeout: 30 * time.Second, Hedge: newHedge(t, retry.HedgeConfig{Delay: time.Minute})})
	response, err := retry.Transport(p, base).RoundTrip(r)
	assert.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, response.StatusCode, 101)
	connection, ok := response.Body.(io.ReadWriteCloser)
	assert.True(t, ok, "%T cannot be written to", response.Body)
	_, err = io.WriteString(connection, "hello\n")
	assert.NoError(t, err)
	line, err := bufio.NewReader(connection).ReadString('\n')
	assert.NoError(t, err)
	assert.Equal(t, line, "echo hello\n")
}

func TestTransport_keepsExpectContinue(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	url, base, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable) // without a look at the body
			return
		}
		_, _ = io.Copy(w, r.Body)
	})
	base.ExpectContinueTimeout = 10 * time.Second
	r := newRequest(t, "PUT", url, io.MultiReader(strings.NewReader(strings.Repeat("a", 100_000))))
	r.Header.Set("Expect", "100-continue")
	code, body, err := send(t, quick(t, retry.Config{}), base, r)
	assert.NoError(t, err)
	assert.Equal(t, code, 200)
	assert.Equal(t, len(body), 100_000)
}

func TestTransport_speaksHTTP2(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("it is %s", r.Proto)
		}
		switch requests.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, strings.Repeat("busy", 1000))
		case 2:
			panic(http.ErrAbortHandler) // resets the stream
		default:
			_, _ = io.Copy(w, r.Body)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	p := quick(t, retry.Config{Timeout: time.Minute, RetryIf: func(error) bool { return true }})
	code, body, err := send(t, p, server.Client().Transport, newRequest(t, "PUT", server.URL, io.MultiReader(strings.NewReader("body"))))
	assert.NoError(t, err)
	assert.Equal(t, code, 200)
	assert.Equal(t, body, "body")
	assert.Equal(t, requests.Load(), 3)
}

// The response of the one that wins is whole, although the other one is cancelled;
// and it is the whole body that arrives, each time.
func TestTransport_hedgesOverHTTP(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789abcdef", 4096)
	var slow, cancelled atomic.Int32
	url, base, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			cancelled.Add(1)
			return
		}
		if string(body) != text {
			t.Errorf("a body of %d bytes arrived", len(body))
		}
		if slow.Add(1)%2 == 1 {
			<-r.Context().Done()
			cancelled.Add(1)
			return
		}
		fmt.Fprint(w, text[:10])
		_ = http.NewResponseController(w).Flush()
		fmt.Fprint(w, text[10:])
	})
	p := newPolicy(t, retry.Config{
		MaxAttempts: 1, Timeout: time.Minute, AttemptTimeout: time.Minute,
		Hedge: newHedge(t, retry.HedgeConfig{Delay: 5 * time.Millisecond, MaxHedges: 10}),
	})
	transport := retry.Transport(p, base)
	var done sync.WaitGroup
	for i := range 10 {
		done.Go(func() {
			body := io.Reader(strings.NewReader(text))
			if i%2 == 0 {
				body = io.MultiReader(body)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, body)
			if err != nil {
				t.Error(err)
				return
			}
			response, err := transport.RoundTrip(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			time.Sleep(10 * time.Millisecond) // while those who lost are cancelled, over real connections
			got, err := io.ReadAll(response.Body)
			if err != nil || string(got) != text {
				t.Errorf("a response of %d bytes, %v", len(got), err)
			}
		})
	}
	done.Wait()
	base.CloseIdleConnections()
	for deadline := time.Now().Add(5 * time.Second); cancelled.Load() == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // until the server has heard of it
	}
	assert.True(t, cancelled.Load() > 0, "no attempt was cancelled")
}

// watchedContext counts the contexts that are made of it and have not ended.
type watchedContext struct {
	context.Context
	done     chan struct{}
	children *atomic.Int32
}

func (c watchedContext) Done() <-chan struct{} { return c.done }

// AfterFunc is what package context calls for each child of a foreign context.
func (c watchedContext) AfterFunc(func()) (stop func() bool) {
	c.children.Add(1)
	var once sync.Once
	return func() bool {
		once.Do(func() { c.children.Add(-1) })
		return true
	}
}

func TestTransport_leavesNoContextBehind(t *testing.T) {
	t.Parallel()
	url, base, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			fmt.Fprint(w, "body")
		}
	})
	for _, url := range []string{url, url + "/none", url + "/busy", "http://127.0.0.1:0/"} {
		for _, hedge := range []*retry.Hedge{nil, newHedge(t, retry.HedgeConfig{Delay: time.Minute})} {
			ctx := watchedContext{t.Context(), make(chan struct{}), new(atomic.Int32)}
			p := quick(t, retry.Config{Timeout: time.Minute, AttemptTimeout: time.Minute, Hedge: hedge})
			_, _, err := send(t, p, base, newRequest(t, "GET", url, nil).WithContext(ctx))
			assert.Equal(t, err == nil, !strings.HasSuffix(url, ":0/"), "%v", err)
			assert.Equal(t, ctx.children.Load(), 0, "contexts that go on after %s", url)
		}
	}
}
