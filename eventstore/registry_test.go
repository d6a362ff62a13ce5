package eventstore_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// contentEvent is the family of events that the tests of this package use.
type contentEvent interface{ contentEvent() }

type contentUploaded struct {
	Title string `json:"title"`
	Words int    `json:"words"`
}

type contentPublished struct {
	By string `json:"by"`
}

type contentArchived struct{}

type contentCounted uint32

type contentRenamed struct{ Title string }

func (contentUploaded) contentEvent()  {}
func (contentPublished) contentEvent() {}
func (contentArchived) contentEvent()  {}
func (contentCounted) contentEvent()   {}
func (*contentRenamed) contentEvent()  {}

type notOfTheFamily struct{}

var countedCodec = eventstore.Codec[contentCounted]{
	Encode: func(n contentCounted) ([]byte, error) {
		if n == 13 {
			return nil, errThirteen
		}
		return binary.BigEndian.AppendUint32(nil, uint32(n)), nil
	},
	Decode: func(data []byte) (contentCounted, error) {
		if len(data) != 4 {
			return 0, errThirteen
		}
		return contentCounted(binary.BigEndian.Uint32(data)), nil
	},
}

var errThirteen = errors.New("thirteen")

func newRegistry(t testing.TB, types ...eventstore.EventType) *eventstore.Registry[contentEvent] {
	t.Helper()
	registry, err := eventstore.NewRegistry[contentEvent](types...)
	assert.NoError(t, err)
	return registry
}

func TestRegistryEncodesAndDecodes(t *testing.T) {
	registry := newRegistry(t,
		eventstore.JSON[contentUploaded]("ContentUploaded", 2),
		eventstore.JSON[*contentRenamed]("ContentRenamed", 1),
		eventstore.CodecType("ContentCounted", 1, countedCodec),
		eventstore.JSON[contentArchived]("ContentArchived", 1),
	)
	tests := []struct {
		value   contentEvent
		name    string
		version int
		data    string
	}{
		{contentUploaded{Title: "<Go>", Words: 7}, "ContentUploaded", 2, `{"title":"\u003cGo\u003e","words":7}`},
		{&contentRenamed{Title: "x"}, "ContentRenamed", 1, `{"Title":"x"}`},
		{contentCounted(258), "ContentCounted", 1, "\x00\x00\x01\x02"},
		{contentArchived{}, "ContentArchived", 1, `{}`},
	}
	for _, test := range tests {
		event, err := registry.Encode(test.value)
		assert.NoError(t, err)
		assert.Equal(t, event.Type, test.name)
		assert.Equal(t, event.SchemaVersion, test.version)
		assert.Equal(t, string(event.Data), test.data)
		assert.NotEqual(t, event.ID, uuid.Nil)
		got, err := registry.Decode(event)
		assert.NoError(t, err)
		assert.Equal(t, got, test.value)
	}
	first, err := registry.Encode(contentArchived{})
	assert.NoError(t, err)
	second, err := registry.Encode(contentArchived{})
	assert.NoError(t, err)
	assert.NotEqual(t, first.ID, second.ID)
}

func TestRegistryEncodesByTheFirstEntry(t *testing.T) {
	registry := newRegistry(t,
		eventstore.JSON[contentPublished]("ContentPublished", 2),
		eventstore.JSON[contentPublished]("ContentPublished", 1),
		eventstore.JSON[contentPublished]("ContentReleased", 1),
	)
	event, err := registry.Encode(contentPublished{By: "ada"})
	assert.NoError(t, err)
	assert.Equal(t, event.Type, "ContentPublished")
	assert.Equal(t, event.SchemaVersion, 2)
	for _, old := range []eventstore.Event{
		{Type: "ContentPublished", SchemaVersion: 1, Data: event.Data},
		{Type: "ContentReleased", SchemaVersion: 1, Data: event.Data},
	} {
		got, err := registry.Decode(old)
		assert.NoError(t, err)
		assert.Equal(t, got, contentEvent(contentPublished{By: "ada"}))
	}
	assert.Equal(t, registry.Types(), []string{"ContentPublished", "ContentReleased"})
}

func TestRegistryKnowsNoOtherTypes(t *testing.T) {
	registry := newRegistry(t, eventstore.JSON[contentUploaded]("ContentUploaded", 1))

	_, err := registry.Encode(contentPublished{})
	assert.ErrorIs(t, err, eventstore.ErrUnknownType)
	assert.Equal(t, err.Error(), `eventstore: encode: event type "eventstore_test.contentPublished" is not registered`)

	_, err = registry.Encode(nil)
	assert.ErrorIs(t, err, eventstore.ErrUnknownType)

	_, err = registry.Decode(eventstore.Event{Type: "ContentPublished", SchemaVersion: 1})
	unknown := assert.ErrorAs[*eventstore.UnknownTypeError](t, err)
	assert.Equal(t, *unknown, eventstore.UnknownTypeError{Type: "ContentPublished", SchemaVersion: 1})
	assert.Equal(t, err.Error(), `eventstore: decode: event type "ContentPublished", schema version 1, is not registered`)

	_, err = registry.Decode(eventstore.Event{Type: "ContentUploaded", SchemaVersion: 2})
	assert.ErrorIs(t, err, eventstore.ErrUnknownType, "a version of its own")
}

func TestRegistryReturnsTheErrorsOfCodecs(t *testing.T) {
	registry := newRegistry(t,
		eventstore.CodecType("ContentCounted", 3, countedCodec),
		eventstore.JSON[contentUploaded]("ContentUploaded", 1),
	)
	_, err := registry.Encode(contentCounted(13))
	assert.ErrorIs(t, err, errThirteen)
	assert.Equal(t, err.Error(), `eventstore: encode "ContentCounted", schema version 3: thirteen`)
	_, err = registry.Decode(eventstore.Event{Type: "ContentCounted", SchemaVersion: 3})
	assert.ErrorIs(t, err, errThirteen)
	assert.Equal(t, err.Error(), `eventstore: decode "ContentCounted", schema version 3: thirteen`)
	_, err = registry.Decode(eventstore.Event{Type: "ContentUploaded", SchemaVersion: 1, Data: []byte(`{"words":"x"}`)})
	assert.Contains(t, err.Error(), `eventstore: decode "ContentUploaded", schema version 1: json: cannot unmarshal string`)
}

func TestRegistryRefuses(t *testing.T) {
	tests := []struct {
		types []eventstore.EventType
		want  string
	}{
		{
			[]eventstore.EventType{eventstore.JSON[contentUploaded]("X", 1), eventstore.JSON[contentPublished]("X", 1)},
			`event type "X", schema version 1, stands twice: for eventstore_test.contentUploaded and for eventstore_test.contentPublished`,
		},
		{
			[]eventstore.EventType{eventstore.JSON[notOfTheFamily]("X", 1)},
			`event type "X": eventstore_test.notOfTheFamily does not implement eventstore_test.contentEvent`,
		},
		{
			[]eventstore.EventType{eventstore.JSON[contentRenamed]("X", 1)}, // only its pointer does
			`event type "X": eventstore_test.contentRenamed does not implement eventstore_test.contentEvent`,
		},
		{
			[]eventstore.EventType{eventstore.JSON[contentEvent]("X", 1)},
			`event type "X": eventstore_test.contentEvent is an interface: register the types that implement it`,
		},
		{
			[]eventstore.EventType{eventstore.JSON[contentUploaded]("", 1)},
			`event type for eventstore_test.contentUploaded has no name`,
		},
		{
			[]eventstore.EventType{eventstore.JSON[contentUploaded]("a\x00", 1)},
			`event type "a\x00": want UTF-8 without NUL`,
		},
		{
			[]eventstore.EventType{eventstore.JSON[contentUploaded]("X", 0)},
			`event type "X" for eventstore_test.contentUploaded: schema version 0: want 1 to 2147483647`,
		},
		{
			[]eventstore.EventType{eventstore.JSON[contentUploaded]("X", 1<<31)},
			`event type "X" for eventstore_test.contentUploaded: schema version 2147483648: want 1 to 2147483647`,
		},
		{
			[]eventstore.EventType{eventstore.CodecType("X", 1, eventstore.Codec[contentCounted]{Encode: countedCodec.Encode})},
			`event type "X" for eventstore_test.contentCounted: its Codec lacks Encode or Decode`,
		},
		{
			[]eventstore.EventType{{}},
			`an EventType is zero: make it with JSON or CodecType`,
		},
	}
	for _, test := range tests {
		_, err := eventstore.NewRegistry[contentEvent](test.types...)
		assert.ErrorIs(t, err, eventstore.ErrInvalid)
		assert.Equal(t, err.Error(), "eventstore: registry: "+test.want)
	}
}

func TestRegistryDoesNotKeepTheSlice(t *testing.T) {
	types := []eventstore.EventType{eventstore.JSON[contentUploaded]("ContentUploaded", 1)}
	registry := newRegistry(t, types...)
	types[0] = eventstore.JSON[contentPublished]("ContentPublished", 1)
	_, err := registry.Encode(contentUploaded{})
	assert.NoError(t, err)
	assert.Equal(t, registry.Types(), []string{"ContentUploaded"})
}

func TestRegistryOfAnyType(t *testing.T) {
	registry, err := eventstore.NewRegistry[any](eventstore.JSON[string]("Said", 1))
	assert.NoError(t, err)
	event, err := registry.Encode("hello")
	assert.NoError(t, err)
	got, err := registry.Decode(event)
	assert.NoError(t, err)
	assert.Equal(t, got, any("hello"))
}
