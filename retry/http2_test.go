package retry_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

// A server that breaks off an answer is the same fault over either version of HTTP.
func TestTransport_retriesAnAnswerThatIsBrokenOff(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor == 2 != http2 {
					t.Errorf("the request came over %s", r.Proto)
				}
				if requests.Add(1) < 3 {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(http.StatusNoContent)
			}))
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			p, err := retry.New(retry.Config{BaseDelay: 1})
			assert.NoError(t, err)
			client := &http.Client{Transport: retry.Transport(p, server.Client().Transport)}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
			assert.NoError(t, err)
			response, err := client.Do(request)
			assert.NoError(t, err)
			response.Body.Close()
			assert.Equal(t, response.StatusCode, http.StatusNoContent)
			assert.Equal(t, requests.Load(), 3)
		})
	}
}

func TestTransient_connectionsOfHTTP2(t *testing.T) {
	wrapped := func(text string) error { return &url.Error{Op: "Get", URL: "/", Err: errors.New(text)} }
	for text, want := range map[string]bool{
		`http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR, debug=""`: true,
		"http2: client connection lost":                 true,
		"http2: request body larger than its length":    false,
		"said: http2: client connection lost, we think": false,
	} {
		assert.Equal(t, retry.Transient(wrapped(text)), want, text)
	}
}
