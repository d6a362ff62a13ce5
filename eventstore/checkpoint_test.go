package eventstore_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestCheckpointText(t *testing.T) {
	tests := []struct {
		base   string
		offset int64
		text   string
	}{
		{"", 0, ""},
		{"", 5, "5"},
		{"", -5, "-5"},
		{"10:20:15", 7, "7@10:20:15"},
		{"10:20:", 0, "0@10:20:"},
		{"a@b", 1, "1@a@b"},
	}
	for _, test := range tests {
		checkpoint := eventstore.NewCheckpoint(test.base, test.offset)
		assert.Equal(t, checkpoint.String(), test.text)
		parsed, err := eventstore.ParseCheckpoint(test.text)
		assert.NoError(t, err)
		assert.True(t, parsed == checkpoint, "%q comes back as %q", test.text, parsed)
		base, offset := parsed.Parts()
		assert.Equal(t, base, test.base)
		assert.Equal(t, offset, test.offset)
		assert.Equal(t, parsed.IsZero(), test.text == "")
	}
}

func TestCheckpointIsReadStrictly(t *testing.T) {
	for _, text := range []string{
		"0", "+1", "01", "1 ", " 1", "x", "@", "@a", "1@", "-0", "1.5", "9223372036854775808", "0x1",
		"1@" + strings.Repeat("9", 1<<20),
	} {
		checkpoint, err := eventstore.ParseCheckpoint(text)
		assert.ErrorIs(t, err, eventstore.ErrCheckpoint, "%.40q", text)
		assert.True(t, checkpoint.IsZero(), "%.40q", text)
		assert.True(t, len(err.Error()) < 200, "the error repeats all of the text: %d bytes", len(err.Error()))
	}
	_, err := eventstore.ParseCheckpoint("nonsense")
	assert.Equal(t, err.Error(), `eventstore: invalid checkpoint: "nonsense"`)
}

func TestCheckpointInJSON(t *testing.T) {
	type progress struct {
		Done eventstore.Checkpoint            `json:"done"`
		Each map[eventstore.Checkpoint]string `json:"each,omitempty"`
	}
	want := progress{Done: eventstore.NewCheckpoint("1:2:", 3), Each: map[eventstore.Checkpoint]string{eventstore.NewCheckpoint("", 4): "x"}}
	written, err := json.Marshal(want)
	assert.NoError(t, err)
	assert.Equal(t, string(written), `{"done":"3@1:2:","each":{"4":"x"}}`)
	var got progress
	assert.NoError(t, json.Unmarshal(written, &got))
	assert.Equal(t, got, want)
	assert.ErrorIs(t, json.Unmarshal([]byte(`{"done":"x"}`), &got), eventstore.ErrCheckpoint)
}
