package retry

import (
	"io"
	"net/http"
	"time"
)

// How much of a response that nobody wants is read, and for how long, so that its
// connection can be used again. Beyond that a new connection costs less.
const (
	maxDrain     = 64 << 10
	maxDrainTime = 100 * time.Millisecond
)

// responseBody ends the time of an attempt when it is closed or read to its end.
type responseBody struct {
	io.ReadCloser
	explain func(error) error // says if the time was too short
	end     func()            // may be called often
}

func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	if err != io.EOF { //nolint:errorlint // the contract of io.Reader
		err = b.explain(err)
	}
	b.end()
	return n, err
}

func (b *responseBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// holdsConnection reports whether the response depends on its context. One without
// a body does not, and neither does a connection that was handed over with status
// 101, which is one to write to as well.
func holdsConnection(r *http.Response) bool {
	return r.Body != nil && r.Body != http.NoBody && r.StatusCode != http.StatusSwitchingProtocols
}

// discard frees the connection of a response that nobody wants.
func discard(r *http.Response) {
	if r == nil || r.Body == nil {
		return
	}
	if body, ok := r.Body.(*responseBody); ok && r.ContentLength <= maxDrain {
		source := &closedOnce{ReadCloser: body.ReadCloser}
		body.ReadCloser = source
		timer := time.AfterFunc(maxDrainTime, func() { // a server may go silent
			body.end()
			_ = source.Close() // some bodies do not look at their context
		})
		_, _ = io.Copy(io.Discard, io.LimitReader(body, maxDrain+1))
		timer.Stop()
	}
	r.Body.Close()
}
