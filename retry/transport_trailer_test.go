package retry_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

// A summing body sets a trailer of its request when it has been read.
type summing struct{ request *http.Request }

func (b *summing) Read([]byte) (int, error) {
	b.request.Trailer.Set("X-Sum", "known at the end")
	return 0, io.EOF
}

func (b *summing) Close() error { return nil }

func TestTransport_sendsATrailer(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]retry.Config{
		"without a hedge": {},
		"with a hedge":    {Hedge: newHedge(t, retry.HedgeConfig{})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRequest(t, "PUT", "http://a/", nil)
			r.Trailer = http.Header{"X-Sum": nil}
			r.GetBody = func() (io.ReadCloser, error) { return &summing{request: r}, nil }
			r.Body, _ = r.GetBody()
			_, _, err := send(t, newPolicy(t, config), roundTripper(func(r *http.Request) (*http.Response, error) {
				_, _ = io.Copy(io.Discard, r.Body)
				assert.Equal(t, r.Trailer.Get("X-Sum"), "known at the end")
				return respond(r, 200, "body"), nil
			}), r)
			assert.NoError(t, err)
		})
	}
}
