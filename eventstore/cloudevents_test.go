package eventstore_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

var eventID = uuid.MustParse("0198f2d4-6f80-7abc-8def-0123456789ab")

// recordedEvent has a value in every field.
func recordedEvent() eventstore.Recorded {
	return eventstore.Recorded{
		Event: eventstore.Event{
			ID:            eventID,
			Type:          "ContentUploaded",
			SchemaVersion: 2,
			Data:          []byte(`{"title":"Go"}`),
			Metadata: eventstore.Metadata{
				CorrelationID: "request-1",
				CausationID:   "command-7",
				Tenant:        "acme",
				Actor:         "ada",
				TraceParent:   "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
				Extra:         map[string]string{"region": "eu", "X-Request-ID": "r-1"},
			},
		},
		Stream:     "content-42",
		Version:    3,
		Position:   1 << 40,
		Time:       time.Date(2026, 5, 4, 3, 2, 1, 123456789, time.UTC),
		Checkpoint: eventstore.NewCheckpoint("10:20:", 7),
	}
}

func TestCloudEventIsWrittenAsTheSpecificationSays(t *testing.T) {
	got, err := json.MarshalIndent(eventstore.CloudEvent{
		Source:     "/contents",
		DataSchema: "https://example.com/uploaded.json",
		Extensions: map[string]any{"sampled": true, "weight": 5},
		Recorded:   recordedEvent(),
	}, "", "  ")
	assert.NoError(t, err)
	assert.Equal(t, string(got), `{
  "specversion": "1.0",
  "id": "0198f2d4-6f80-7abc-8def-0123456789ab",
  "source": "/contents",
  "type": "ContentUploaded",
  "subject": "content-42",
  "time": "2026-05-04T03:02:01.123456789Z",
  "dataschema": "https://example.com/uploaded.json",
  "schemaversion": 2,
  "streamversion": "3",
  "streamposition": "1099511627776",
  "checkpoint": "7@10:20:",
  "correlationid": "request-1",
  "causationid": "command-7",
  "tenant": "acme",
  "actor": "ada",
  "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "region": "eu",
  "parlance": "{\"extra\":{\"X-Request-ID\":\"r-1\"}}",
  "sampled": true,
  "weight": 5,
  "data": {
    "title": "Go"
  }
}`)
}

func TestCloudEventWithoutMoreThanItNeeds(t *testing.T) {
	got, err := json.Marshal(eventstore.CloudEvent{
		Source:   "/contents",
		Recorded: eventstore.Recorded{Event: eventstore.Event{ID: eventID, Type: "T"}},
	})
	assert.NoError(t, err)
	assert.Equal(t, string(got), `{"specversion":"1.0","id":"0198f2d4-6f80-7abc-8def-0123456789ab","source":"/contents","type":"T"}`)
}

// roundTrip writes and reads, as it is and indented, and returns the JSON.
func roundTrip(t *testing.T, want eventstore.CloudEvent) string {
	t.Helper()
	compact, err := json.Marshal(want)
	assert.NoError(t, err)
	indented, err := json.MarshalIndent([]eventstore.CloudEvent{want}, " ", "\t")
	assert.NoError(t, err)
	var got eventstore.CloudEvent
	assert.NoError(t, json.Unmarshal(compact, &got), "%s", compact)
	assert.Equal(t, got, want)
	var batch []eventstore.CloudEvent
	assert.NoError(t, json.Unmarshal(indented, &batch), "%s", indented)
	assert.Equal(t, batch, []eventstore.CloudEvent{want})
	return string(compact)
}

func TestRecordedComesBackFromCloudEvent(t *testing.T) {
	tests := map[string]func(r *eventstore.Recorded){
		"all fields":                       func(*eventstore.Recorded) {},
		"no metadata":                      func(r *eventstore.Recorded) { r.Metadata = eventstore.Metadata{} },
		"no time":                          func(r *eventstore.Recorded) { r.Time = time.Time{} },
		"first year":                       func(r *eventstore.Recorded) { r.Time = time.Date(0, 1, 1, 0, 0, 0, 1, time.UTC) },
		"last year":                        func(r *eventstore.Recorded) { r.Time = time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC) },
		"greatest numbers":                 func(r *eventstore.Recorded) { r.Version, r.Position, r.SchemaVersion = 1<<63-1, 1<<63-1, 1<<31-1 },
		"negative numbers":                 func(r *eventstore.Recorded) { r.Version, r.Position, r.SchemaVersion = -1<<63, -1, -1<<31 },
		"newline in type":                  func(r *eventstore.Recorded) { r.Type = "a\nb" },
		"noncharacters in stream":          func(r *eventstore.Recorded) { r.Stream = "a\ufdd0\U0001ffff\u0085b" },
		"replacement character":            func(r *eventstore.Recorded) { r.Type = "a\ufffdb" },
		"controls in all texts":            func(r *eventstore.Recorded) { controls(r) },
		"quotes and other planes":          func(r *eventstore.Recorded) { r.Type, r.Stream = `"\/<>&`, "𝄞\u2028" },
		"checkpoint with a newline":        func(r *eventstore.Recorded) { r.Checkpoint = eventstore.NewCheckpoint("a\nb@c", -5) },
		"Extra under core names":           func(r *eventstore.Recorded) { r.Metadata.Extra = map[string]string{"type": "x", "data": "y", "id": ""} },
		"Extra under own names":            func(r *eventstore.Recorded) { r.Metadata.Extra = map[string]string{"actor": "x", "parlance": "{}"} },
		"Extra with odd keys":              func(r *eventstore.Recorded) { r.Metadata.Extra = map[string]string{"": "x", "ä": "y", "a b": "\x00"} },
		"Extra with empty values":          func(r *eventstore.Recorded) { r.Metadata.Extra = map[string]string{"empty": "", "Empty": ""} },
		"Extra that looks gathered":        func(r *eventstore.Recorded) { r.Metadata.Extra = map[string]string{"a": `{"extra":{"B":"c"}}`} },
		"256 pairs of Extra":               func(r *eventstore.Recorded) { r.Metadata.Extra = manyPairs(256) },
		"a value that looks like a number": func(r *eventstore.Recorded) { r.Metadata.Extra = map[string]string{"n": "5", "b": "true"} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			event := eventstore.CloudEvent{Source: "/contents", Recorded: recordedEvent()}
			change(&event.Recorded)
			roundTrip(t, event)
		})
	}
}

func controls(r *eventstore.Recorded) {
	m := &r.Metadata
	for i, field := range []*string{&r.Type, &r.Stream, &m.CorrelationID, &m.CausationID, &m.Tenant, &m.Actor, &m.TraceParent} {
		*field = fmt.Sprintf("%d\x00\t\x7f\u009f", i)
	}
	m.Extra = map[string]string{"free": "a\nb"}
}

func manyPairs(n int) map[string]string {
	pairs := make(map[string]string, n)
	for i := range n {
		pairs[fmt.Sprintf("key%d", i)] = "v"
	}
	return pairs
}

// TestCloudEventTextIsWhatTheSpecificationAllows is about the type String.
func TestCloudEventTextIsWhatTheSpecificationAllows(t *testing.T) {
	event := eventstore.CloudEvent{Source: "/contents", Recorded: recordedEvent()}
	for _, allowed := range []rune{' ', '~', 0xa0, 0xfdcf, 0xfdf0, 0xfffd, 0xe000, 0x1fffd, 0x10fffd} {
		event.Type = string(allowed)
		assert.Contains(t, roundTrip(t, event), `"type":"`+event.Type+`"`, "%U", allowed)
	}
	for _, forbidden := range []rune{0, 0x1f, 0x7f, 0x80, 0x9f, 0xfdd0, 0xfdef, 0xfffe, 0xffff, 0x1fffe, 0x10ffff} {
		event.Type = string(forbidden)
		assert.Contains(t, roundTrip(t, event), "\"type\":\"\ufffd\"", "%U", forbidden)
		document := fmt.Appendf(nil, `{"specversion":"1.0","id":"1","source":"/a","type":"T","ext":"%s"}`, jsonEscape(forbidden))
		assert.ErrorIs(t, new(eventstore.CloudEvent).UnmarshalJSON(document), eventstore.ErrInvalid, "%s", document)
	}
}

func jsonEscape(r rune) string {
	var escaped strings.Builder
	for _, unit := range utf16.Encode([]rune{r}) {
		fmt.Fprintf(&escaped, `\u%04x`, unit)
	}
	return escaped.String()
}

func TestCloudEventTimeIsUTC(t *testing.T) {
	event := eventstore.CloudEvent{Source: "/contents", Recorded: recordedEvent()}
	event.Time = event.Time.In(time.FixedZone("far", 5*3600+17))
	var got eventstore.CloudEvent
	written, err := json.Marshal(event)
	assert.NoError(t, err)
	assert.NoError(t, json.Unmarshal(written, &got))
	assert.True(t, got.Time.Equal(event.Time), "%s, want %s", got.Time, event.Time)
	assert.Equal(t, got.Time.Location(), time.UTC)
}

func TestCloudEventKeepsTheBytesOfData(t *testing.T) {
	tests := []struct {
		name, mediaType, data string
		member                string // what is written
	}{
		{"object", "", `{"a":[1,null]}`, `"data":{"a":[1,null]}`},
		{"object, media type given", "application/json; charset=utf-8", `{}`, `"data":{}`},
		{"JSON by suffix", "application/vnd.acme+JSON", `"x"`, `"data":"x"`},
		{"text/json", "text/json", `5`, `"data":5`},
		{"null", "", `null`, `"data":null`},
		{"big number", "", `12345678901234567890.10`, `"data":12345678901234567890.10`},
		{"keys that stand twice", "", `{"a":1,"a":2}`, `"data":{"a":1,"a":2}`},
		{"escapes", "", `"\u003c\/\ud800"`, `"data":"\u003c\/\ud800"`},
		{"white space", "", `{"a": 1}`, `"data_base64":"eyJhIjogMX0="`},
		{"trailing newline", "", "1\n", `"data_base64":"MQo="`},
		{"what json.Marshal escapes", "", `"<"`, `"data_base64":"Ijwi"`},
		{"line separator", "", "\"\u2028\"", `"data_base64":"IuKAqCI="`},
		{"JSON but for its UTF-8", "", "\"\xff\"", `"data_base64":"Iv8i"`},
		{"not JSON", "", `{`, `"data_base64":"ew=="`},
		{"two values", "", `1 2`, `"data_base64":"MSAy"`},
		{"empty", "", ``, `"data_base64":""`},
		{"empty text", "text/plain", ``, `"data":""`},
		{"text", "text/plain", "a\x00<\u2028\"\\\n", `"data":"a\u0000\u003c\u2028\"\\\n"`},
		{"XML", "application/xml", `<much wow="xml"/>`, `"data":"\u003cmuch wow=\"xml\"/\u003e"`},
		{"XML by suffix", "image/svg+xml", `<svg/>`, `"data":"\u003csvg/\u003e"`},
		{"YAML", "application/yaml", `a: 1`, `"data":"a: 1"`},
		{"text that is not UTF-8", "text/plain", "\xff", `"data_base64":"/w=="`},
		{"other media type", "application/protobuf", `text`, `"data_base64":"dGV4dA=="`},
		{"deep", "", strings.Repeat("[", 999) + strings.Repeat("]", 999), `"data":[[[`},
		{"too deep", "", strings.Repeat("[", 9999) + strings.Repeat("]", 9999), `"data_base64":"W1tb`},
		{"brackets in a string", "", `"` + strings.Repeat("[", 2000) + `\""`, `"data":"[[[`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			event := eventstore.CloudEvent{Source: "/contents", DataContentType: test.mediaType, Recorded: recordedEvent()}
			event.Data = []byte(test.data)
			assert.Contains(t, roundTrip(t, event), test.member)
		})
	}
}

func TestCloudEventWithoutDataHasNone(t *testing.T) {
	event := eventstore.CloudEvent{Source: "/contents", Recorded: recordedEvent()}
	event.Data = nil
	written := roundTrip(t, event)
	assert.False(t, strings.Contains(written, `"data`), "%s", written)
}

func TestForeignCloudEvents(t *testing.T) {
	const required = `"specversion":"1.0","id":"C234-1234-1234","source":"/mycontext","type":"com.example.someevent"`
	foreign := func(change func(c *eventstore.CloudEvent)) eventstore.CloudEvent {
		c := eventstore.CloudEvent{Source: "/mycontext", ForeignID: "C234-1234-1234"}
		c.ID = uuid.MustParse("fdea204a-f264-563a-997a-5681e2ee114f")
		c.Type = "com.example.someevent"
		change(&c)
		return c
	}
	extra := func(pairs ...string) func(c *eventstore.CloudEvent) {
		return func(c *eventstore.CloudEvent) {
			c.Metadata.Extra = make(map[string]string)
			for i := 0; i < len(pairs); i += 2 {
				c.Metadata.Extra[pairs[i]] = pairs[i+1]
			}
		}
	}
	tests := []struct {
		name, members string
		want          func(c *eventstore.CloudEvent)
		again         string // what is written, if not the members
	}{
		{name: "only what is required", want: func(*eventstore.CloudEvent) {}},
		{
			name: "text", members: `,"datacontenttype":"application/xml","data":"\u003cmuch wow=\"xml\"/\u003e"`,
			want: func(c *eventstore.CloudEvent) {
				c.DataContentType, c.Data = "application/xml", []byte(`<much wow="xml"/>`)
			},
		},
		{
			name: "JSON string", members: `,"data":"I'm just a string"`,
			want: func(c *eventstore.CloudEvent) { c.Data = []byte(`"I'm just a string"`) },
		},
		{
			name: "JSON object", members: `,"data":{"appinfoA":"abc","appinfoB":1e400}`,
			want: func(c *eventstore.CloudEvent) { c.Data = []byte(`{"appinfoA":"abc","appinfoB":1e400}`) },
		},
		{
			name: "JSON with white space", members: `,"data" : { "a" : "b c" } `, again: `,"data":{"a":"b c"}`,
			want: func(c *eventstore.CloudEvent) { c.Data = []byte(`{"a":"b c"}`) },
		},
		{
			name: "null data is data", members: `,"data":null`,
			want: func(c *eventstore.CloudEvent) { c.Data = []byte(`null`) },
		},
		{
			name: "null text is none", members: `,"datacontenttype":"text/plain","data":null`, again: `,"datacontenttype":"text/plain"`,
			want: func(c *eventstore.CloudEvent) { c.DataContentType = "text/plain" },
		},
		{
			name: "null data_base64 is none", members: `,"data_base64":null`, again: ` `,
			want: func(*eventstore.CloudEvent) {},
		},
		{
			name: "binary", members: `,"datacontenttype":"application/vnd.apache.thrift.binary","data_base64":"AAH/"`,
			want: func(c *eventstore.CloudEvent) {
				c.DataContentType, c.Data = "application/vnd.apache.thrift.binary", []byte{0, 1, 255}
			},
		},
		{
			name: "string under a media type of bytes", members: `,"datacontenttype":"application/x-own","data":"ab"`,
			again: `,"datacontenttype":"application/x-own","data_base64":"YWI="`,
			want:  func(c *eventstore.CloudEvent) { c.DataContentType, c.Data = "application/x-own", []byte("ab") },
		},
		{
			name: "null attributes are absent", members: `,"subject":null,"time":null,"actor":null,"unset":null`, again: ` `,
			want: func(*eventstore.CloudEvent) {},
		},
		{
			name: "schema", members: `,"dataschema":"https://example.com/s"`,
			want: func(c *eventstore.CloudEvent) { c.DataSchema = "https://example.com/s" },
		},
		{
			name: "subject", members: `,"subject":"larger-context"`,
			want: func(c *eventstore.CloudEvent) { c.Stream = "larger-context" },
		},
		{
			name: "time with an offset", members: `,"time":"2018-04-05t19:31:00.5+02:00"`, again: `,"time":"2018-04-05T17:31:00.5Z"`,
			want: func(c *eventstore.CloudEvent) { c.Time = time.Date(2018, 4, 5, 17, 31, 0, 5e8, time.UTC) },
		},
		{
			name: "extensions of each kind", members: `,"comexampleextension1":"value","comexampleothervalue":-5,"flag":false`,
			want: func(c *eventstore.CloudEvent) {
				extra("comexampleextension1", "value")(c)
				c.Extensions = map[string]any{"comexampleothervalue": int32(-5), "flag": false}
			},
		},
		{name: "empty extension", members: `,"ext":""`, want: extra("ext", "")},
		{
			name: "tracing", members: `,"traceparent":"00-a-b-01","tracestate":"rojo=1"`,
			want: func(c *eventstore.CloudEvent) {
				extra("tracestate", "rojo=1")(c)
				c.Metadata.TraceParent = "00-a-b-01"
			},
		},
		{
			name:    "our names with another meaning",
			members: `,"actor":true,"checkpoint":"0","correlationid":"","parlance":"yes","schemaversion":"2.1","streamposition":"0","streamversion":5,"tenant":7`,
			want: func(c *eventstore.CloudEvent) {
				c.Extensions = map[string]any{
					"actor": true, "checkpoint": "0", "correlationid": "", "parlance": "yes",
					"schemaversion": "2.1", "streamposition": "0", "streamversion": int32(5), "tenant": int32(7),
				}
			},
		},
		{
			name: "numbers that we would write otherwise", members: `,"schemaversion":0,"streamversion":"007"`,
			want: func(c *eventstore.CloudEvent) {
				c.Extensions = map[string]any{"schemaversion": int32(0), "streamversion": "007"}
			},
		},
		{
			name: "gathered, but not by us: key could stand alone", members: `,"parlance":"{\"extra\":{\"a\":\"b\"}}"`,
			want: func(c *eventstore.CloudEvent) {
				c.Extensions = map[string]any{"parlance": `{"extra":{"a":"b"}}`}
			},
		},
		{
			name: "gathered, but not by us: another type inside", members: `,"parlance":"{\"attributes\":{\"type\":\"other\\n\"}}"`,
			want: func(c *eventstore.CloudEvent) {
				c.Extensions = map[string]any{"parlance": `{"attributes":{"type":"other\n"}}`}
			},
		},
		{
			name: "gathered, but not by us: unknown attribute", members: `,"parlance":"{\"attributes\":{\"id\":\"C234-1234-1234\"}}"`,
			want: func(c *eventstore.CloudEvent) {
				c.Extensions = map[string]any{"parlance": `{"attributes":{"id":"C234-1234-1234"}}`}
			},
		},
		{
			name: "gathered, but not by us: more inside", members: `,"parlance":"{\"extra\":{\"X\":\"y\"},\"more\":1}"`,
			want: func(c *eventstore.CloudEvent) {
				c.Extensions = map[string]any{"parlance": `{"extra":{"X":"y"},"more":1}`}
			},
		},
		{
			name:    "gathered, but not by us: an attribute that we would refuse to write",
			members: `,"dataschema":"a\ufffdb","parlance":"{\"attributes\":{\"dataschema\":\"a\\nb\"}}"`,
			again:   ",\"dataschema\":\"a\ufffdb\",\"parlance\":\"{\\\"attributes\\\":{\\\"dataschema\\\":\\\"a\\\\nb\\\"}}\"",
			want: func(c *eventstore.CloudEvent) {
				c.DataSchema = "a\ufffdb"
				c.Extensions = map[string]any{"parlance": `{"attributes":{"dataschema":"a\nb"}}`}
			},
		},
		{
			name: "gathered, but not by us: a key that stands outside too", members: `,"foo":"x","parlance":"{\"extra\":{\"foo\":\"a\\nb\"}}"`,
			want: func(c *eventstore.CloudEvent) {
				extra("foo", "x")(c)
				c.Extensions = map[string]any{"parlance": `{"extra":{"foo":"a\nb"}}`}
			},
		},
		{
			name: "gathered, but not by us: nothing inside", members: `,"parlance":"{}"`,
			want: func(c *eventstore.CloudEvent) { c.Extensions = map[string]any{"parlance": `{}`} },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got eventstore.CloudEvent
			assert.NoError(t, json.Unmarshal([]byte(`{`+required+test.members+`}`), &got))
			want := foreign(test.want)
			assert.Equal(t, got, want)
			if test.again == "" {
				test.again = test.members
			}
			assert.Equal(t, roundTrip(t, got), `{`+required+strings.TrimSpace(test.again)+`}`)
		})
	}
}

func TestForeignIDs(t *testing.T) {
	read := func(source, id string) eventstore.CloudEvent {
		var c eventstore.CloudEvent
		assert.NoError(t, json.Unmarshal(fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":%q,"type":"T"}`, id, source), &c))
		return c
	}
	c := read("/a", eventID.String())
	assert.Equal(t, c.ID, eventID)
	assert.Equal(t, c.ForeignID, "")
	for _, id := range []string{"1", strings.ToUpper(eventID.String()), "urn:uuid:" + eventID.String(), uuid.Nil.String()} {
		c := read("/a", id)
		assert.Equal(t, c.ForeignID, id)
		assert.Equal(t, c.ID.Version(), 5, "made of the source and the id")
		assert.Equal(t, read("/a", id).ID, c.ID, "the same each time")
		assert.NotEqual(t, read("/b", id).ID, c.ID, "another event of another source")
		assert.NotEqual(t, read("/a", id+"x").ID, c.ID, "another event of the same source")
	}
}

func TestCloudEventExtensionsUnderFreeNames(t *testing.T) {
	c := eventstore.CloudEvent{
		Source:     "/contents",
		Extensions: map[string]any{"partitionkey": "42", "sampledrate": 10},
		Recorded:   eventstore.Recorded{Event: eventstore.Event{ID: eventID, Type: "T"}},
	}
	written, err := json.Marshal(c)
	assert.NoError(t, err)
	var got eventstore.CloudEvent
	assert.NoError(t, json.Unmarshal(written, &got))
	assert.Equal(t, got.Metadata.Extra, map[string]string{"partitionkey": "42"})
	assert.Equal(t, got.Extensions, map[string]any{"sampledrate": int32(10)})
}
