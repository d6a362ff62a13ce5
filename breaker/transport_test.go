package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

// A tripper is a RoundTripper for tests.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// answers returns a RoundTripper that gives every request an answer of its own.
func answers(status int, header ...string) tripper {
	return func(*http.Request) (*http.Response, error) {
		resp := &http.Response{StatusCode: status, Body: http.NoBody, Header: http.Header{}}
		for i := 0; i < len(header); i += 2 {
			resp.Header.Set(header[i], header[i+1])
		}
		return resp, nil
	}
}

func newBreaker(t testing.TB, c breaker.Config) *breaker.Breaker {
	t.Helper()
	b, err := breaker.New(c)
	assert.NoError(t, err)
	return b
}

func newRequest(t testing.TB, ctx context.Context, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://api.example/orders", body)
	assert.NoError(t, err)
	return req
}

// send sends a request that has no body and forgets the answer.
func send(t testing.TB, rt http.RoundTripper) error {
	t.Helper()
	resp, err := rt.RoundTrip(newRequest(t, t.Context(), nil))
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// get gets a URL and forgets the answer but for its status.
func get(t testing.TB, client *http.Client, target string) (int, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	assert.NoError(t, err)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	assert.NoError(t, err)
	return resp.StatusCode, nil
}

func TestTransportDecidesByStatus(t *testing.T) {
	for status, want := range map[int]string{
		100: "success", 101: "success", 200: "success", 204: "success", 301: "success", 304: "success",
		400: "success", 401: "success", 403: "success", 404: "success", 408: "success", 499: "success",
		429: "neutral",
		500: "failure", 502: "failure", 503: "failure", 504: "failure", 505: "failure", 507: "failure",
		501: "success",
		599: "failure", 600: "failure", 999: "failure",
	} {
		b := newBreaker(t, breaker.Config{CountCalls: true})
		assert.NoError(t, send(t, breaker.Transport(b, answers(status))))
		assert.Equal(t, counted(b), want, "status %d", status)
	}
}

// counted returns the only outcome that a breaker has counted.
func counted(b *breaker.Breaker) string {
	s := b.Snapshot()
	switch [3]uint64{s.Successes, s.Failures, s.Neutral} {
	case [3]uint64{1, 0, 0}:
		return "success"
	case [3]uint64{0, 1, 0}:
		return "failure"
	case [3]uint64{0, 0, 1}:
		return "neutral"
	default:
		return fmt.Sprintf("%d successes, %d failures, %d neutral", s.Successes, s.Failures, s.Neutral)
	}
}

// waits is a server that answers only when the request has ended.
var waits = tripper(func(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
})

func TestTransportDecidesByError(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		base    http.RoundTripper
		config  breaker.Config
		context func(context.Context) (context.Context, context.CancelFunc)
		want    string
	}{
		"an error": {
			base: tripper(func(*http.Request) (*http.Response, error) { return nil, broken }),
			want: "failure",
		},
		"an error that is classified": {
			base: tripper(func(*http.Request) (*http.Response, error) { return nil, broken }),
			config: breaker.Config{Classify: func(err error) breaker.Outcome {
				if errors.Is(err, broken) {
					return breaker.Success
				}
				return breaker.Failure
			}},
			want: "success",
		},
		"the caller leaves": {
			base: waits,
			context: func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(time.Minute, cancel)
				return ctx, cancel
			},
			want: "neutral",
		},
		"the caller's time is over": {
			base: waits,
			context: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, time.Second)
			},
			want: "failure",
		},
		"the caller had no time": {
			base: waits,
			context: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 9*time.Millisecond)
			},
			want: "neutral",
		},
		"the transport's own time is over": {
			base: tripper(func(*http.Request) (*http.Response, error) { return nil, context.DeadlineExceeded }),
			want: "failure",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.config.CountCalls = true
				b := newBreaker(t, test.config)
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if test.context != nil {
					ctx, cancel = test.context(ctx)
				}
				defer cancel()
				resp, err := breaker.Transport(b, test.base).RoundTrip(newRequest(t, ctx, nil))
				if err == nil {
					resp.Body.Close()
				}
				assert.Error(t, err)
				assert.Equal(t, counted(b), test.want)
			})
		})
	}
}

// TestClientTimeoutIsAFailure: the time of an http.Client is the deadline of the
// context that its transport sees.
func TestClientTimeoutIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{CountCalls: true})
		client := &http.Client{Transport: breaker.Transport(b, waits), Timeout: time.Second}
		_, err := get(t, client, "http://api.example/")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, counted(b), "failure")
	})
}

// TestStatusIsNotAskedAbout: Classify knows errors. A status is decided as the
// documentation says, also if the caller left just when the answer came.
func TestStatusIsNotAskedAbout(t *testing.T) {
	b := newBreaker(t, breaker.Config{CountCalls: true, Classify: func(err error) breaker.Outcome {
		t.Errorf("Classify was asked about %v", err)
		return breaker.Success
	}})
	ctx, cancel := context.WithCancel(t.Context())
	rt := breaker.Transport(b, tripper(func(req *http.Request) (*http.Response, error) {
		cancel()
		return answers(503)(req)
	}))
	resp, err := rt.RoundTrip(newRequest(t, ctx, nil))
	assert.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, counted(b), "failure")
}

func TestStormOf503ReachesTheServerNoMore(t *testing.T) {
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	b := newBreaker(t, breaker.Config{Name: "api"})
	client := &http.Client{Transport: breaker.Transport(b, server.Client().Transport)}

	for range 5 {
		status, err := get(t, client, server.URL)
		assert.NoError(t, err)
		assert.Equal(t, status, 503)
	}
	_, err := get(t, client, server.URL)
	assert.ErrorIs(t, err, breaker.ErrOpen)
	assert.ErrorAs[*url.Error](t, err)
	open := assert.ErrorAs[*breaker.OpenError](t, err)
	assert.Equal(t, open.Name, "api")
	assert.Equal(t, open.State, breaker.Open)
	assert.Equal(t, open.Cause.Error(), "status 503 Service Unavailable")
	assert.True(t, open.RetryAfter() > 59*time.Second, "a minute, less what has passed: %s", open.RetryAfter())
	assert.Equal(t, requests.Load(), 5)
}

// TestStormBySeveralClients lets through what was under way, and then nothing.
func TestStormBySeveralClients(t *testing.T) {
	const clients = 20
	var requests, rejected atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	b := newBreaker(t, breaker.Config{})
	client := &http.Client{Transport: breaker.Transport(b, server.Client().Transport)}
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range 20 {
				if _, err := get(t, client, server.URL); errors.Is(err, breaker.ErrOpen) {
					rejected.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	assert.True(t, requests.Load() < 5+clients, "%d requests reached the server", requests.Load())
	assert.Equal(t, requests.Load()+rejected.Load(), clients*20)
}

func TestRetryAfterLengthensTheTimeToStayOpen(t *testing.T) {
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for name, test := range map[string]struct {
		status int
		header func() []string
		want   time.Duration
	}{
		"no header":        {503, func() []string { return nil }, time.Minute},
		"seconds":          {503, func() []string { return []string{"Retry-After", "120"} }, 2 * time.Minute},
		"a date":           {503, func() []string { return []string{"Retry-After", in(3 * time.Minute)} }, 3 * time.Minute},
		"of another error": {500, func() []string { return []string{"Retry-After", "120"} }, 2 * time.Minute},
		"less":             {503, func() []string { return []string{"Retry-After", "59"} }, time.Minute},
		"in the past":      {503, func() []string { return []string{"Retry-After", in(-time.Hour)} }, time.Minute},
		"nonsense":         {503, func() []string { return []string{"Retry-After", "soon"} }, time.Minute},
		"a negative one":   {503, func() []string { return []string{"Retry-After", "-120"} }, time.Minute},
		"too long":         {503, func() []string { return []string{"Retry-After", "3600"} }, 10 * time.Minute},
		"far too long":     {503, func() []string { return []string{"Retry-After", strings.Repeat("9", 100)} }, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				header := test.header()
				var requests int
				b := newBreaker(t, fragile)
				rt := breaker.Transport(b, tripper(func(req *http.Request) (*http.Response, error) {
					requests++
					return answers(test.status, header...)(req)
				}))
				assert.NoError(t, send(t, rt))
				open := assert.ErrorAs[*breaker.OpenError](t, send(t, rt))
				assert.Equal(t, open.RetryAfter(), test.want)

				time.Sleep(test.want - time.Nanosecond)
				assert.ErrorIs(t, send(t, rt), breaker.ErrOpen)
				assert.Equal(t, requests, 1)
				time.Sleep(time.Nanosecond)
				assert.NoError(t, send(t, rt), "the probe")
				assert.Equal(t, requests, 2)
			})
		})
	}
}

func TestCauseOfAStatus(t *testing.T) {
	for name, test := range map[string]struct {
		base       tripper
		text       string
		status     int
		retryAfter time.Duration
	}{
		"with a name":      {answers(503), "status 503 Service Unavailable", 503, 0},
		"without a name":   {answers(599), "status 599", 599, 0},
		"with Retry-After": {answers(502, "Retry-After", "7"), "status 502 Bad Gateway", 502, 7 * time.Second},
		"with nonsense":    {answers(502, "Retry-After", "?"), "status 502 Bad Gateway", 502, 0},
		"no header at all": {
			func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusInternalServerError, Body: http.NoBody}, nil
			},
			"status 500 Internal Server Error", 500, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBreaker(t, fragile)
			rt := breaker.Transport(b, test.base)
			assert.NoError(t, send(t, rt))
			cause := assert.ErrorAs[*breaker.OpenError](t, send(t, rt)).Cause
			assert.Equal(t, cause.Error(), test.text)
			facts, ok := cause.(interface {
				StatusCode() int
				RetryAfter() time.Duration
			})
			assert.True(t, ok, "the cause tells its facts")
			assert.Equal(t, facts.StatusCode(), test.status)
			assert.Equal(t, facts.RetryAfter(), test.retryAfter)
		})
	}
}

func TestEachHostHasItsBreaker(t *testing.T) {
	serve := func(status int) *httptest.Server {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(server.Close)
		return server
	}
	down, up := serve(500), serve(200)
	g := newGroup(t, breaker.GroupConfig{Breaker: breaker.Config{Name: "http"}})
	client := &http.Client{Transport: breaker.Transport(g, &http.Transport{DisableKeepAlives: true})}

	for range 5 {
		_, err := get(t, client, down.URL)
		assert.NoError(t, err)
	}
	_, err := get(t, client, down.URL)
	host := strings.TrimPrefix(down.URL, "http://")
	assert.Equal(t, assert.ErrorAs[*breaker.OpenError](t, err).Name, "http/"+host)
	for range 5 {
		status, err := get(t, client, up.URL)
		assert.NoError(t, err, "one of two ports of the same machine")
		assert.Equal(t, status, 200)
	}
	states := map[string]breaker.State{}
	for key, b := range g.All() {
		states[key] = b.State()
	}
	assert.Equal(t, states, map[string]breaker.State{
		host:                                  breaker.Open,
		strings.TrimPrefix(up.URL, "http://"): breaker.Closed,
	})
}

func TestConnectionRefusedIsAFailure(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	target := "http://" + listener.Addr().String()
	assert.NoError(t, listener.Close())
	b := newBreaker(t, breaker.Config{ConsecutiveFailures: 2})
	client := &http.Client{Transport: breaker.Transport(b, &http.Transport{})}
	for range 2 {
		_, err := get(t, client, target)
		assert.Error(t, err)
		assert.False(t, errors.Is(err, breaker.ErrOpen), "the network says no")
	}
	_, err = get(t, client, target)
	assert.ErrorAs[*net.OpError](t, assert.ErrorAs[*breaker.OpenError](t, err).Cause)
}
