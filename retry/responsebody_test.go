package retry_test

import (
	"io"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

// A body that does not look at its context cannot hold up the next attempt.
func TestTransport_waitsForNoBodyThatGoesSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		requests := 0
		begin := time.Now()
		code, _, err := send(t, quick(t, retry.Config{}), roundTripper(func(r *http.Request) (*http.Response, error) {
			if requests++; requests > 1 {
				return respond(r, 200, ""), nil
			}
			response := respond(r, 503, "")
			response.Body, response.ContentLength = reader, -1
			return response, nil
		}), newRequest(t, "GET", "http://a/", nil))
		assert.NoError(t, err)
		assert.Equal(t, code, 200)
		assert.True(t, time.Since(begin) < 101*time.Millisecond, time.Since(begin))
		_, err = writer.Write([]byte("late"))
		assert.ErrorIs(t, err, io.ErrClosedPipe)
	})
}

// A response that a panic took from the caller is closed, once.
func TestTransport_closesAResponseThatIsLostInAPanic(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]retry.Config{
		"of RetryIf":         {RetryIf: func(error) bool { panic("oh") }},
		"of BackOff":         {BackOff: func() retry.BackOff { panic("oh") }},
		"of the hook Retry":  {Hooks: retry.Hooks{Retry: func(retry.Retry) { panic("oh") }}},
		"of the hook GiveUp": {MaxAttempts: 1, Hooks: retry.Hooks{GiveUp: func(*retry.Error) { panic("oh") }}},
		"or Goexit":          {RetryIf: func(error) bool { runtime.Goexit(); return false }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var closed atomic.Int32
			base := roundTripper(func(r *http.Request) (*http.Response, error) {
				response := respond(r, 503, "body")
				response.Body = &counted{response.Body, &closed}
				return response, nil
			})
			policy := newPolicy(t, config)
			done := make(chan any)
			go func() {
				defer func() { done <- recover() }()
				_, _, _ = send(t, policy, base, newRequest(t, "GET", "http://a/", nil))
				t.Error("it returned")
			}()
			<-done
			assert.Equal(t, closed.Load(), 1)
		})
	}
}
