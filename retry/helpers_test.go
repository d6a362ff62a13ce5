package retry_test

import (
	"context"
	"testing"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

func newPolicy(t testing.TB, c retry.Config) *retry.Policy {
	t.Helper()
	p, err := retry.New(c)
	assert.NoError(t, err)
	return p
}

// failing returns a function that fails with these errors in turn, the last one
// for ever, and counts its calls.
func failing(calls *int, errs ...error) func(context.Context) (int, error) {
	return func(context.Context) (int, error) {
		*calls++
		return *calls, errs[min(*calls, len(errs))-1]
	}
}
