package retry_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

// The server closes an idle connection when it is about to be used. net/http tries
// again a GET by itself, but neither a PUT nor a DELETE, and its error has no name.
func TestTransport_retriesWhenAnIdleConnectionWasClosed(t *testing.T) {
	t.Parallel()
	var latest atomic.Pointer[net.Conn]
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		if state == http.StateNew {
			latest.Store(&conn)
		}
	}
	server.Start()
	defer server.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()

	for _, method := range []string{"GET", "PUT", "DELETE"} {
		_, _, err := send(t, nil, base, newRequest(t, "GET", server.URL, nil)) // leaves a connection
		assert.NoError(t, err)
		connections := 0
		trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
			if connections++; connections == 1 {
				_ = (*latest.Load()).Close()
				time.Sleep(50 * time.Millisecond) // real: for net/http to read of the end
			}
		}}
		r := newRequest(t, method, server.URL, strings.NewReader("body"))
		code, _, err := send(t, quick(t, retry.Config{}), base, r.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
		assert.NoError(t, err, method)
		assert.Equal(t, code, 200)
		assert.Equal(t, connections, 2)
	}
}

func TestTransient_knowsAnIdleConnectionThatWasClosed(t *testing.T) {
	t.Parallel()
	closed := errorText("http: server closed idle connection")
	assert.True(t, retry.Transient(&url.Error{Op: "Put", URL: "http://a/", Err: closed}))
	assert.False(t, retry.Transient(closed), "it is an error of any program")
}

type errorText string

func (e errorText) Error() string { return string(e) }
