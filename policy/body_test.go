package policy_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// What is wrong with a body that was closed or broke off is not that its time was
// over.
func TestBodyIsNotLateBecauseItHasEnded(t *testing.T) {
	for name, c := range map[string]policy.Config{
		"with an attempt timeout": {AttemptTimeout: time.Hour},
		"with a timeout":          {Timeout: time.Hour},
		"with both":               {AttemptTimeout: time.Minute, Timeout: time.Hour, Retry: fastRetries(t)},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := policy.New(c)
			assert.NoError(t, err)
			base := roundTripFunc(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(failing{})}, nil
			})
			response, err := get(t, client(p, base), "http://a/")
			assert.NoError(t, err)
			for range 2 { // the first one ends the call
				_, err = response.Body.Read(make([]byte, 1))
				assert.ErrorIs(t, err, errDown)
				_, late := errors.AsType[*retry.TimeoutError](err)
				assert.False(t, late, err)
			}
			assert.NoError(t, response.Body.Close())

			response, err = get(t, client(p, base), "http://a/")
			assert.NoError(t, err)
			assert.NoError(t, response.Body.Close())
			_, err = response.Body.Read(make([]byte, 1))
			assert.ErrorIs(t, err, errDown)
			_, late := errors.AsType[*retry.TimeoutError](err)
			assert.False(t, late, err)
		})
	}
}

// A response that a panic took from the caller does not keep its place.
func TestPlaceIsGivenBackWhenRetriesPanic(t *testing.T) {
	for name, c := range map[string]retry.Config{
		"in RetryIf":         {RetryIf: func(error) bool { panic("oh") }},
		"in BackOff":         {BackOff: func() retry.BackOff { panic("oh") }},
		"in the hook Retry":  {Hooks: retry.Hooks{Retry: func(retry.Retry) { panic("oh") }}},
		"in the hook GiveUp": {MaxAttempts: 1, Hooks: retry.Hooks{GiveUp: func(*retry.Error) { panic("oh") }}},
	} {
		t.Run(name, func(t *testing.T) {
			retries, err := retry.New(c)
			assert.NoError(t, err)
			bulkhead, err := policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: 1})
			assert.NoError(t, err)
			b, err := breaker.New(breaker.Config{})
			assert.NoError(t, err)
			p, err := policy.New(policy.Config{Retry: retries, Bulkhead: bulkhead, Breaker: b})
			assert.NoError(t, err)
			base := roundTripFunc(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: io.NopCloser(failing{})}, nil
			})
			value := assert.Panics(t, func() {
				_, _ = policy.Transport(p, base).RoundTrip(request(t, "http://a/")) //nolint:bodyclose // there is none
			})
			assert.Equal(t, value, any("oh"))
			assert.Equal(t, bulkhead.InFlight(), 0)
		})
	}
}
