package breaker_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

// brokenReader fails after some bytes.
type brokenReader struct{ io.Reader }

var errDisk = errors.New("disk")

func (r brokenReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		err = errDisk
	}
	return n, err
}

// A request that cannot be sent because its own body cannot be read says nothing
// about the server.
func TestBodyThatCannotBeReadIsNeutral(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	t.Cleanup(server.Close)
	b := newBreaker(t, breaker.Config{ConsecutiveFailures: 2})
	client := &http.Client{Transport: breaker.Transport(b, nil)}
	for range 5 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, brokenReader{strings.NewReader("half")})
		assert.NoError(t, err)
		_, err = client.Do(req) //nolint:bodyclose // there is no response
		assert.ErrorIs(t, err, errDisk)
	}
	s := b.Snapshot()
	assert.Equal(t, s.State, breaker.Closed)
	assert.Equal(t, s.Neutral, 5)
}

// A server that goes away during a request has its body closed, and reading that
// fails: but it is the server that has failed.
func TestBodyThatIsClosedByTheServersEndIsAFailure(t *testing.T) {
	b := newBreaker(t, breaker.Config{})
	reader, writer := io.Pipe()
	t.Cleanup(func() { _ = writer.Close() })
	rt := breaker.Transport(b, tripper(func(req *http.Request) (*http.Response, error) {
		read := make(chan error)
		go func() {
			_, err := req.Body.Read(make([]byte, 1))
			read <- err
		}()
		req.Body.Close()
		assert.ErrorIs(t, <-read, io.ErrClosedPipe)
		return nil, errDown
	}))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://orders/", reader)
	assert.NoError(t, err)
	_, err = rt.RoundTrip(req) //nolint:bodyclose // there is no response
	assert.ErrorIs(t, err, errDown)
	assert.Equal(t, b.Snapshot().Failures, 1)
}

func TestBodyIsSentAsItIs(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Length", r.Header.Get("Content-Length"))
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(server.Close)
	rt := breaker.Transport(newBreaker(t, breaker.Config{}), nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, io.LimitReader(strings.NewReader("lecture"), 100))
	assert.NoError(t, err)
	req.ContentLength = 7
	body := req.Body
	resp, err := rt.RoundTrip(req)
	assert.NoError(t, err)
	defer resp.Body.Close()
	assert.True(t, req.Body == body, "the request was changed")
	assert.True(t, resp.Request == req, "the response is to another request")
	text, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	assert.Equal(t, string(text), "lecture")
}
