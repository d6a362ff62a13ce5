package eventstore_test

import (
	"testing"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestExpected(t *testing.T) {
	tests := []struct {
		expected eventstore.Expected
		text     string
		version  int64
		exact    bool
	}{
		{eventstore.Any, "any version", 0, false},
		{eventstore.NoStream, "no stream", 0, true},
		{eventstore.StreamExists, "an existing stream", 0, false},
		{eventstore.Exact(0), "no stream", 0, true},
		{eventstore.Exact(1), "version 1", 1, true},
		{eventstore.Exact(1<<63 - 1), "version 9223372036854775807", 1<<63 - 1, true},
		{eventstore.Exact(-1), "invalid expected version", 0, false},
		{eventstore.Exact(-2), "invalid expected version", 0, false},
		{eventstore.Expected(-3), "invalid expected version", 0, false},
	}
	for _, test := range tests {
		assert.Equal(t, test.expected.String(), test.text)
		version, exact := test.expected.Version()
		assert.Equal(t, version, test.version, test.text)
		assert.Equal(t, exact, test.exact, test.text)
	}
	assert.Equal(t, eventstore.Exact(0), eventstore.NoStream)
	assert.Equal(t, eventstore.Write{}.Expected, eventstore.NoStream, "the safe mode is the zero value")
}
