package benchmarks_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/failsafehttp"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

// A transport makes three attempts at a request.
type transport struct {
	name string
	make func(t *testing.T, base http.RoundTripper) http.RoundTripper
}

var transports = []transport{
	{"parlance", func(t *testing.T, base http.RoundTripper) http.RoundTripper {
		p, err := retry.New(retry.Config{BaseDelay: time.Millisecond})
		assert.NoError(t, err)
		return retry.Transport(p, base)
	}},
	{"failsafe-go", func(_ *testing.T, base http.RoundTripper) http.RoundTripper {
		return failsafehttp.NewRoundTripper(base, failsafehttp.NewRetryPolicyBuilder().ReturnLastFailure().Build())
	}},
}

// storm sends 50 requests, one after the other, to a server that answers 503, and
// returns how many it received, on how many connections.
func storm(t *testing.T, transport transport, method string) (requests, connections int32) {
	t.Helper()
	var received, opened atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		http.Error(w, "down", http.StatusServiceUnavailable)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	base := server.Client().Transport.(*http.Transport)
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: transport.make(t, base)}
	for range 50 {
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL, strings.NewReader("a body"))
		assert.NoError(t, err)
		response, err := client.Do(request)
		assert.NoError(t, err)
		assert.Equal(t, response.StatusCode, http.StatusServiceUnavailable)
		_, err = io.Copy(io.Discard, response.Body)
		assert.NoError(t, err)
		assert.NoError(t, response.Body.Close())
	}
	return received.Load(), opened.Load()
}

// A response that is neither read to its end nor closed keeps its connection, and
// two goroutines with it.
func TestResponsesThatAreRetriedGiveTheirConnectionsBack(t *testing.T) {
	want := holds{"parlance": true, "failsafe-go": false}
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			requests, connections := storm(t, transport, http.MethodPut)
			assert.Equal(t, requests, 150)
			t.Logf("%d connections", connections)
			assert.Equal(t, connections == 1, want[transport.name])
		})
	}
}

// A POST may have been carried out although it was answered with an error.
func TestPostWithoutAKeyIsSentOnce(t *testing.T) {
	want := holds{"parlance": true, "failsafe-go": false}
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			requests, _ := storm(t, transport, http.MethodPost)
			assert.Equal(t, requests == 50, want[transport.name])
		})
	}
}

// An answerer is the other side without a network.
type answerer func(*http.Request) *http.Response

func (a answerer) RoundTrip(r *http.Request) (*http.Response, error) { return a(r), nil }

func TestRetryAfterIsObeyed(t *testing.T) {
	const wait = 30 * time.Second
	for _, test := range []struct {
		name   string
		header func() string
		want   holds
	}{
		{"seconds", func() string { return "30" }, holds{"parlance": true, "failsafe-go": true}},
		{"date", func() string { return time.Now().Add(wait).UTC().Format(http.TimeFormat) }, holds{"parlance": true, "failsafe-go": false}},
	} {
		for _, transport := range transports {
			t.Run(test.name+"/"+transport.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					start, took := time.Now(), []time.Duration(nil)
					client := &http.Client{Transport: transport.make(t, answerer(func(r *http.Request) *http.Response {
						took = append(took, time.Since(start))
						response := httptest.NewRecorder()
						if len(took) == 1 {
							response.Header().Set("Retry-After", test.header())
							response.WriteHeader(http.StatusServiceUnavailable)
						}
						return response.Result()
					}))}
					request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost", http.NoBody)
					assert.NoError(t, err)
					response, err := client.Do(request)
					assert.NoError(t, err)
					assert.NoError(t, response.Body.Close())
					assert.Equal(t, len(took), 2)
					assert.Equal(t, took[1] >= wait, test.want[transport.name])
				})
			})
		}
	}
}
