package policy_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// A failure that opens the breaker is the last one: to wait for an attempt that the
// breaker rejects would be in vain, and would hide the failure.
func TestNobodyWaitsForABreakerThatTheCallHasOpened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		budget, err := retry.NewBudget(retry.BudgetConfig{})
		assert.NoError(t, err)
		p := newPolicy(t, policy.Config{
			Retry:   newRetry(t, retry.Config{Budget: budget, RetryIf: func(error) bool { return true }}),
			Breaker: newBreaker(t, breaker.Config{ConsecutiveFailures: 2}),
		})
		start, before, calls := time.Now(), budget.Balance(), 0
		_, err = policy.Do(t.Context(), p, func(context.Context) (int, error) {
			calls++
			return 0, errDown
		})
		failed := assert.ErrorAs[*retry.Error](t, err)
		assert.Equal(t, failed.Attempts, 2)
		assert.Equal(t, calls, 2)
		assert.Equal(t, failed.Last, errDown)
		assert.ErrorIs(t, failed.Reason, breaker.ErrOpen)
		assert.True(t, time.Since(start) <= 100*time.Millisecond, "took the first delay only")
		assert.Equal(t, before-budget.Balance(), 1)
	})
}

func TestRetriesWaitForABreakerThatWillProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolicy(t, policy.Config{
			Retry: newRetry(t, retry.Config{
				BaseDelay: time.Second, Jitter: retry.NoJitter, RetryIf: func(error) bool { return true },
			}),
			Breaker: newBreaker(t, breaker.Config{ConsecutiveFailures: 1, ResetTimeout: time.Second}),
		})
		calls := 0
		got, err := policy.Do(t.Context(), p, func(context.Context) (int, error) {
			if calls++; calls == 1 {
				return 0, errDown
			}
			return 42, nil
		})
		assert.NoError(t, err)
		assert.Equal(t, got, 42)
	})
}

func TestAForcedOpenBreakerEndsTheRetries(t *testing.T) {
	t.Parallel()
	b := newBreaker(t, breaker.Config{})
	p := newPolicy(t, policy.Config{
		Retry:   newRetry(t, retry.Config{BaseDelay: time.Hour, MaxDelay: time.Hour, RetryIf: func(error) bool { return true }}),
		Breaker: b,
	})
	_, err := policy.Do(t.Context(), p, func(context.Context) (int, error) {
		b.SetMode(breaker.ForcedOpen)
		return 0, errDown
	})
	assert.ErrorIs(t, err, breaker.ErrOpen)
	assert.ErrorIs(t, err, errDown)
}

func TestBothReadysAreAsked(t *testing.T) {
	t.Parallel()
	errBusy := errors.New("busy")
	p := newPolicy(t, policy.Config{
		Retry: newRetry(t, retry.Config{
			RetryIf: func(error) bool { return true },
			Ready:   func(context.Context, time.Duration) error { return errBusy },
		}),
		Breaker: newBreaker(t, breaker.Config{}),
	})
	_, err := policy.Do(t.Context(), p, func(context.Context) (int, error) { return 0, errDown })
	assert.ErrorIs(t, err, errBusy)
	assert.ErrorIs(t, err, errDown)
}

// The response that opened the breaker of its host, or of the client's name, is
// returned as it is.
func TestResponseThatOpensTheBreakerIsReturned(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "back at noon")
	}))
	t.Cleanup(server.Close)
	closed := func() *breaker.Group {
		group, err := breaker.NewGroup(breaker.GroupConfig{Breaker: breaker.Config{ConsecutiveFailures: 2}})
		assert.NoError(t, err)
		return group
	}
	retries := newRetry(t, retry.Config{MaxAttempts: 5, BaseDelay: time.Millisecond})
	single := newBreaker(t, breaker.Config{ConsecutiveFailures: 2})
	for name, client := range map[string]*http.Client{
		"by host": {Transport: policy.Transport(newPolicy(t, policy.Config{Retry: retries, Breaker: closed()}), nil)},
		"by name": newPolicy(t, policy.Config{Name: "other", Retry: retries, Breaker: closed()}).Client("orders"),
		"one":     newPolicy(t, policy.Config{Retry: retries, Breaker: single}).Client("orders"),
	} {
		requests.Store(0)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		assert.NoError(t, err)
		response, err := client.Do(request)
		assert.NoError(t, err, name)
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		assert.NoError(t, err, name)
		assert.Equal(t, string(body), "back at noon", name)
		assert.Equal(t, requests.Load(), 2, name)

		request = request.Clone(t.Context())
		request.Body = io.NopCloser(strings.NewReader(""))
		_, err = client.Do(request) //nolint:bodyclose // there is no response
		assert.ErrorIs(t, err, breaker.ErrOpen, name)
	}
}

// What an http.Client does on the way, such as fetching a token, has a context of
// the request and a policy of its own.
func TestRetriesAskTheBreakerOfTheirOwnPolicy(t *testing.T) {
	t.Parallel()
	group, err := breaker.NewGroup(breaker.GroupConfig{})
	assert.NoError(t, err)
	own := newBreaker(t, breaker.Config{})
	tokens := newPolicy(t, policy.Config{Retry: fastRetries(t), Breaker: own})
	calls := 0
	base := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		group.For(r.URL.Host).SetMode(breaker.ForcedOpen)
		_, err := policy.Do(r.Context(), tokens, func(context.Context) (int, error) {
			calls++
			return 0, context.DeadlineExceeded
		})
		assert.ErrorIs(t, err, retry.ErrAttempts)
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})
	response, err := get(t, client(newPolicy(t, policy.Config{Retry: fastRetries(t), Breaker: group}), base), "http://a/")
	assert.NoError(t, err)
	assert.NoError(t, response.Body.Close())
	assert.True(t, calls > 1, "no other attempt")
}
