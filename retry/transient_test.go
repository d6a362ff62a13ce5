package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

// answer is an error of somebody else that has a status.
type answer struct {
	code int
	error
}

func (a answer) StatusCode() int { return a.code }
func (a answer) Unwrap() error   { return a.error }

func TestTransient_statuses(t *testing.T) {
	t.Parallel()
	retried := map[int]bool{500: true, 502: true, 503: true, 504: true}
	for code := 400; code <= 599; code++ {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			for name, err := range map[string]error{
				"ours":     &retry.StatusError{Code: code},
				"theirs":   answer{code, errOdd},
				"wrapped":  fmt.Errorf("get: %w", answer{code, errOdd}),
				"in a url": &url.Error{Op: "Get", URL: "http://x", Err: &retry.StatusError{Code: code}},
				// An answer came, so what else the error tells does not count.
				"with a deadline": answer{code, context.DeadlineExceeded},
			} {
				assert.Equal(t, retry.Transient(err), retried[code], name)
			}
			withDelay := retried[code] || code == http.StatusTooManyRequests
			for name, err := range map[string]error{
				"a delay":      &retry.StatusError{Code: code, After: time.Second, HasAfter: true},
				"a delay of 0": &retry.StatusError{Code: code, HasAfter: true},
				"theirs":       answer{code, asking{time.Second, errOdd}},
				"around it":    asking{time.Second, answer{code, errOdd}},
			} {
				assert.Equal(t, retry.Transient(err), withDelay, name)
			}
			for name, err := range map[string]error{
				"a delay of 0, theirs": answer{code, asking{0, errOdd}},
				"a negative delay":     answer{code, asking{-1, errOdd}},
			} {
				assert.Equal(t, retry.Transient(err), retried[code], name)
			}
		})
	}
}

func TestTransient_errors(t *testing.T) {
	t.Parallel()
	op := func(err error) error {
		return &url.Error{Op: "Get", URL: "http://x", Err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}}
	}
	cases := []struct {
		name string
		err  error
		want bool
	}{
		{"nothing is wrong", nil, false},
		{"an unknown error", errOdd, false},
		{"the caller's cancellation", context.Canceled, false},
		{"a cancelled request", &url.Error{Op: "Get", URL: "http://x", Err: context.Canceled}, false},
		{"a cancellation and something else", errors.Join(context.Canceled, syscall.ECONNRESET), false},
		{"a deadline", context.DeadlineExceeded, true},
		{"a request's deadline", &url.Error{Op: "Get", URL: "http://x", Err: context.DeadlineExceeded}, true},
		{"a connection's deadline", os.ErrDeadlineExceeded, true},
		{"an attempt's timeout", &retry.TimeoutError{Err: errOdd}, true},
		{"refused", op(syscall.ECONNREFUSED), true},
		{"reset", op(syscall.ECONNRESET), true},
		{"aborted", op(syscall.ECONNABORTED), true},
		{"closed while writing", op(syscall.EPIPE), true},
		{"timed out in the network", op(syscall.ETIMEDOUT), true},
		{"no such file", op(syscall.ENOENT), false},
		{"a body that is cut off", io.ErrUnexpectedEOF, true},
		{"the end of something", io.EOF, false},
		{"a request without an answer", &url.Error{Op: "Get", URL: "http://x", Err: io.EOF}, true},
		{"a timeout that the outer error does not know", &url.Error{Err: fmt.Errorf("x: %w", &net.DNSError{IsTimeout: true})}, true},
		{"a name server that is busy", &net.DNSError{IsTemporary: true}, true},
		{"a name server that does not answer", &net.DNSError{IsTimeout: true}, true},
		{"a name that does not exist", &net.DNSError{IsNotFound: true}, false},
		{"a status of success", answer{200, errOdd}, false},
		{"no status, because there was no answer", answer{0, syscall.ECONNRESET}, true},
	}
	for _, c := range cases {
		assert.Equal(t, retry.Transient(c.err), c.want, c.name)
	}
}

// What the net packages really return.
func TestTransient_realNetworkErrors(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	assert.NoError(t, err)
	address := listener.Addr().String()
	assert.NoError(t, listener.Close())

	get := func(ctx context.Context, address string) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, http.NoBody)
		assert.NoError(t, err)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Do(request)
		if err == nil {
			response.Body.Close()
		}
		return err
	}
	refused := get(t.Context(), address)
	assert.Error(t, refused)
	assert.True(t, retry.Transient(refused), "%v", refused)

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		panic(http.ErrAbortHandler) // the server closes the connection
	}))
	defer server.Close()
	closed := get(t.Context(), server.Listener.Addr().String())
	assert.Error(t, closed)
	assert.True(t, retry.Transient(closed), "%v", closed)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	left := get(ctx, server.Listener.Addr().String())
	assert.ErrorIs(t, left, context.Canceled)
	assert.False(t, retry.Transient(left))
}
