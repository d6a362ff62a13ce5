package main

import (
	"bytes"
	"testing"

	"github.com/parlance-go/parlance/internal/assert"
)

func TestStories(t *testing.T) {
	var out bytes.Buffer
	assert.NoError(t, run(t.Context(), &out))
	for _, line := range []string{
		"attempt 2: status 503 Service Unavailable\n    200 request 3",
		"200 request 2, not before one second was over: true",
		"without a key: 503 request 1",
		"with a key: 200 request 2",
		"attempt 1 timed out: true\n    200 request 2",
		"the second attempt had less than the first: true",
		"200 request 2 was faster than the first",
		"50 calls, of up to 3 attempts each, were 60 requests",
		"two calls are under way; of eight more 8 are turned away",
		"20 calls: 5 requests, 15 rejected",
		"from open to half-open",
		"from half-open to closed\n    200 request 1",
	} {
		assert.Contains(t, out.String(), line)
	}
}
