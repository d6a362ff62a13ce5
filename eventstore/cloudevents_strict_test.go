package eventstore_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestCloudEventsThatCannotBeRead(t *testing.T) {
	const required = `"specversion":"1.0","id":"1","source":"/a","type":"T"`
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"ext%d":null`, i)
		}
		return b.String()
	}
	tests := []struct{ document, want string }{
		{``, `not JSON in UTF-8`},
		{`null`, `not a JSON object`},
		{`[]`, `not a JSON object`},
		{`{} {}`, `not JSON in UTF-8`},
		{"{\"id\":\"\xff\"}", `not JSON in UTF-8`},
		{`{"id":"1","source":"/a","type":"T"}`, `attribute "specversion" is missing`},
		{`{"specversion":"1.0","source":"/a","type":"T"}`, `attribute "id" is missing`},
		{`{"specversion":"1.0","id":"1","type":"T"}`, `attribute "source" is missing`},
		{`{"specversion":"1.0","id":"1","source":"/a"}`, `attribute "type" is missing`},
		{`{"specversion":"1.0","id":null,"source":"/a","type":"T"}`, `attribute "id" is missing`},
		{`{"specversion":"1.0","id":"","source":"/a","type":"T"}`, `attribute "id" is empty`},
		{`{"specversion":"1.0","id":5,"source":"/a","type":"T"}`, `attribute "id" is 5: want a string`},
		{`{"specversion":"0.3","id":"1","source":"/a","type":"T"}`, `attribute "specversion" is "0.3": want "1.0"`},
		{`{"specversion":1.0,"id":"1","source":"/a","type":"T"}`, `attribute "specversion": the number 1.0: want an integer of 32 bits; others travel as strings`},
		{`{` + required + `,"subject":""}`, `attribute "subject" is empty`},
		{`{` + required + `,"subject":true}`, `attribute "subject" is true: want a string`},
		{`{` + required + `,"time":"yesterday"}`, `attribute "time": "yesterday" is not a time as of RFC 3339`},
		{`{` + required + `,"time":"2018-04-05 17:31:00Z"}`, `attribute "time": "2018-04-05 17:31:00Z" is not a time as of RFC 3339`},
		{`{` + required + `,"time":"0001-01-01T00:00:00Z"}`, `attribute "time": "0001-01-01T00:00:00Z" cannot be kept`},
		{`{` + required + `,"time":"9999-12-31T23:59:59-01:00"}`, `attribute "time": "9999-12-31T23:59:59-01:00" cannot be kept`},
		{`{` + required + `,"time":"0000-01-01T00:00:00+01:00"}`, `attribute "time": "0000-01-01T00:00:00+01:00" cannot be kept`},
		{`{` + required + `,"data":1,"data_base64":"MQ=="}`, `both "data" and "data_base64" are present`},
		{`{` + required + `,"data":null,"data_base64":"MQ=="}`, `both "data" and "data_base64" are present`},
		{`{` + required + `,"data_base64":"M"}`, `"data_base64": illegal base64 data at input byte 0`},
		{`{` + required + `,"data_base64":5}`, `"data_base64": json: cannot unmarshal number into Go value of type string`},
		{`{` + required + `,"datacontenttype":"text/xml","data":{}}`, `"data" is not a string, but the datacontenttype is "text/xml"`},
		{`{` + required + `,"datacontenttype":"text/xml","data":"\ud800"}`, `"data": "\ud800" holds half a character`},
		{`{` + required + `,"datacontenttype":""}`, `attribute "datacontenttype" is empty`},
		{`{` + required + `,"comExample":"x"}`, `attribute "comExample": a name has lower-case letters and digits only`},
		{`{` + required + `,"com_example":null}`, `attribute "com_example": a name has lower-case letters and digits only`},
		{`{` + required + `,"":1}`, `attribute "": a name has lower-case letters and digits only`},
		{`{` + required + `,"ext":{}}`, `attribute "ext": an object or array: want a string, a boolean or an integer`},
		{`{` + required + `,"ext":1.5}`, `attribute "ext": the number 1.5: want an integer of 32 bits; others travel as strings`},
		{`{` + required + `,"ext":2147483648}`, `attribute "ext": the number 2147483648: want an integer of 32 bits; others travel as strings`},
		{`{` + required + `,"ext":"\u0007"}`, `attribute "ext": "\a" holds a character that CloudEvents forbids`},
		{`{` + required + `,"ext":"\udead"}`, `attribute "ext": "\udead" holds half a character`},
		{`{` + required + `,"ext":"\ud800\u0041"}`, `attribute "ext": "\ud800\u0041" holds half a character`},
		{`{` + required + `,"ext":"\\\uD834\uDD1E\uD834"}`, `attribute "ext": "\\\uD834\uDD1E\uD834" holds half a character`},
		{`{` + required + `,"id":"2"}`, `member "id" stands twice`},
		{`{` + required + `,"\u0069d":"2"}`, `member "id" stands twice`},
		{`{` + required + `,"data":1,"data":1}`, `member "data" stands twice`},
		{`{` + required + `,"ext":null,"ext":1}`, `member "ext" stands twice`},
		{`{` + required + many(509) + `}`, `more than 512 members`},
	}
	for _, test := range tests {
		c := eventstore.CloudEvent{Source: "as before"}
		err := c.UnmarshalJSON([]byte(test.document))
		assert.ErrorIs(t, err, eventstore.ErrInvalid, "%.200s", test.document)
		assert.Equal(t, err.Error(), "eventstore: read cloud event: "+test.want, "%.200s", test.document)
		assert.Equal(t, c, eventstore.CloudEvent{Source: "as before"})
	}
	var c eventstore.CloudEvent
	assert.NoError(t, c.UnmarshalJSON([]byte(`{`+required+many(508)+`}`)), "512 members")
	huge := fmt.Appendf(nil, `{%s,"data":%s1}`, required, strings.Repeat(" ", 64<<20))
	assert.Equal(t, c.UnmarshalJSON(huge).Error(), "eventstore: read cloud event: 67108928 bytes, the limit is 67108864")
	assert.ErrorIs(t, json.Unmarshal([]byte(`{}`), &c), eventstore.ErrInvalid, "also through encoding/json")
}

func TestCloudEventsThatCannotBeWritten(t *testing.T) {
	tests := []struct {
		want   string
		change func(c *eventstore.CloudEvent)
	}{
		{`attribute "id" is missing`, func(c *eventstore.CloudEvent) { c.ID = uuid.Nil }},
		{`attribute "source" is missing`, func(c *eventstore.CloudEvent) { c.Source = "" }},
		{`attribute "type" is missing`, func(c *eventstore.CloudEvent) { c.Type = "" }},
		{`attribute "id": "a\nb" holds a character that CloudEvents forbids`, func(c *eventstore.CloudEvent) { c.ForeignID = "a\nb" }},
		{`attribute "source": "\x00" holds a character that CloudEvents forbids`, func(c *eventstore.CloudEvent) { c.Source = "\x00" }},
		{`attribute "dataschema": "\xff" holds a character that CloudEvents forbids`, func(c *eventstore.CloudEvent) { c.DataSchema = "\xff" }},
		{`attribute "type": "\xff" is not UTF-8`, func(c *eventstore.CloudEvent) { c.Type = "\xff" }},
		{`attribute "time" has the year 10000: want 0 to 9999`, func(c *eventstore.CloudEvent) { c.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{`attribute "schemaversion" is 2147483648: want 32 bits`, func(c *eventstore.CloudEvent) { c.SchemaVersion = 1 << 31 }},
		{`Extra "a": not UTF-8`, func(c *eventstore.CloudEvent) { c.Metadata.Extra = map[string]string{"a": "\xff"} }},
		{`extension "a-b": a name has lower-case letters and digits only`, func(c *eventstore.CloudEvent) { c.Extensions = map[string]any{"a-b": true} }},
		{`extension "type": the name is taken`, func(c *eventstore.CloudEvent) { c.Extensions = map[string]any{"type": true} }},
		{`extension "data": the name is taken`, func(c *eventstore.CloudEvent) { c.Extensions = map[string]any{"data": true} }},
		{`extension "actor": the name is taken`, func(c *eventstore.CloudEvent) { c.Extensions = map[string]any{"actor": true} }},
		{`extension "region": the name is taken`, func(c *eventstore.CloudEvent) { c.Extensions = map[string]any{"region": true} }},
		{`extension "a" is a float64: want bool, int32, int or string`, func(c *eventstore.CloudEvent) { c.Extensions = map[string]any{"a": 1.5} }},
		{`extension "a" is 2147483648: an integer has 32 bits, longer ones travel as strings`, func(c *eventstore.CloudEvent) { c.Extensions = map[string]any{"a": 1 << 31} }},
		{`attribute "a": "\n" holds a character that CloudEvents forbids`, func(c *eventstore.CloudEvent) { c.Extensions = map[string]any{"a": "\n"} }},
		{`513 members, 6591 bytes: the limits are 512 and 67108864`, func(c *eventstore.CloudEvent) {
			c.Recorded = eventstore.Recorded{Event: eventstore.Event{ID: eventID, Type: "T"}}
			c.Metadata.Extra = manyPairs(508)
		}},
		{`5 members, 67108978 bytes: the limits are 512 and 67108864`, func(c *eventstore.CloudEvent) {
			c.Recorded = eventstore.Recorded{Event: eventstore.Event{ID: eventID, Type: "T"}}
			c.Data = make([]byte, 48<<20)
		}},
	}
	for _, test := range tests {
		c := eventstore.CloudEvent{Source: "/contents", Recorded: recordedEvent()}
		test.change(&c)
		_, err := c.MarshalJSON()
		assert.ErrorIs(t, err, eventstore.ErrInvalid)
		assert.Equal(t, err.Error(), "eventstore: write cloud event: "+test.want)
		_, err = json.Marshal(c)
		assert.ErrorIs(t, err, eventstore.ErrInvalid, "also through encoding/json")
	}
}
