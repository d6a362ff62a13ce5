package eventstore

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// UnmarshalJSON replaces the event by the one in the JSON event format. It is
// strict: the error matches ErrInvalid and names the attribute that is missing,
// stands twice, has a name or a value that CloudEvents does not allow, or
// cannot be kept. A document of more than 64 MiB or 512 members is refused too.
// After an error the event is as before.
func (c *CloudEvent) UnmarshalJSON(document []byte) error {
	read, err := readCloudEvent(document)
	if err != nil {
		return fmt.Errorf("eventstore: read cloud event: %w", err)
	}
	*c = read
	return nil
}

func readCloudEvent(document []byte) (c CloudEvent, err error) {
	r, err := splitCloudEvent(document)
	if err != nil {
		return c, err
	}
	if text, ok := r.attributes["parlance"].(string); ok {
		if rest, ok := parseGathered(text, r.attributes); ok {
			delete(r.attributes, "parlance")
			for name, value := range rest.Attributes {
				r.attributes[name] = value
			}
			c.Metadata.Extra = rest.Extra
		}
	}
	r.core(&c)
	r.recorded(&c.Recorded)
	for name, value := range r.attributes {
		if text, ok := value.(string); ok && isFreeName(name) {
			if c.Metadata.Extra == nil {
				c.Metadata.Extra = make(map[string]string)
			}
			c.Metadata.Extra[name] = text
			continue
		}
		if c.Extensions == nil {
			c.Extensions = make(map[string]any)
		}
		c.Extensions[name] = value
	}
	r.readData(&c)
	return c, r.err
}

// cloudEventReader holds the members of a document that are still to be read,
// and keeps the first error.
type cloudEventReader struct {
	attributes   map[string]any  // bool, int32 or string
	data, base64 json.RawMessage // nil if absent
	err          error
}

func (r *cloudEventReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = invalidf(format, args...)
	}
}

// splitCloudEvent goes through the members one by one, because decoding into a
// map or struct would let a name that stands twice pass.
func splitCloudEvent(document []byte) (*cloudEventReader, error) {
	if len(document) > maxCloudEvent {
		return nil, invalidf("%d bytes, the limit is %d", len(document), maxCloudEvent)
	}
	if !utf8.Valid(document) || !json.Valid(document) {
		return nil, invalidf("not JSON in UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, invalidf("not a JSON object")
	}
	r := &cloudEventReader{attributes: make(map[string]any)}
	seen := make(map[string]bool)
	for decoder.More() {
		token, err := decoder.Token()
		name, _ := token.(string)
		var value json.RawMessage
		if err == nil {
			err = decoder.Decode(&value)
		}
		switch {
		case err != nil:
			return nil, invalidf("member %.80q: %s", name, err)
		case seen[name]:
			return nil, invalidf("member %.80q stands twice", name)
		case len(seen) == maxCloudEventMembers:
			return nil, invalidf("more than %d members", maxCloudEventMembers)
		}
		seen[name] = true
		switch isNull := string(value) == "null"; {
		case name == "data":
			r.data = value
		case name == "data_base64" && !isNull:
			r.base64 = value
		case name == "data_base64":
		case !isAttributeName(name):
			return nil, invalidf("attribute %.80q: a name has lower-case letters and digits only", name)
		case isNull: // as if it were absent
		default:
			if r.attributes[name], err = readAttribute(value); err != nil {
				return nil, invalidf("attribute %.80q: %s", name, err)
			}
		}
	}
	return r, nil
}

func readAttribute(value json.RawMessage) (any, error) {
	switch value[0] {
	case '"':
		text, err := readString(value)
		if err == nil && !isText(text) {
			err = invalidf("%.80q holds a character that CloudEvents forbids", text)
		}
		return text, err
	case 't', 'f':
		return value[0] == 't', nil
	case '{', '[':
		return nil, invalidf("an object or array: want a string, a boolean or an integer")
	default:
		n, err := strconv.ParseInt(string(value), 10, 32)
		if err != nil {
			return nil, invalidf("the number %.80s: want an integer of 32 bits; others travel as strings", value)
		}
		return int32(n), nil
	}
}

func readString(quoted json.RawMessage) (text string, err error) {
	if hasLoneSurrogate(quoted) {
		return "", invalidf("%.80s holds half a character", quoted)
	}
	err = json.Unmarshal(quoted, &text)
	return text, err
}

// core takes the attributes that the specification defines.
func (r *cloudEventReader) core(c *CloudEvent) {
	if version := r.required("specversion"); version != "1.0" {
		r.fail(`attribute "specversion" is %.80q: want "1.0"`, version)
	}
	id := r.required("id")
	c.Source = r.required("source")
	c.Type = r.required("type")
	if parsed, err := uuid.Parse(id); err == nil && parsed != uuid.Nil && parsed.String() == id {
		c.ID = parsed
	} else {
		c.ForeignID = id
		c.ID = uuid.NewSHA1(uuid.NewSHA1(uuid.NameSpaceURL, []byte(c.Source)), []byte(id))
	}
	c.Stream = r.optional("subject")
	c.DataContentType = r.optional("datacontenttype")
	c.DataSchema = r.optional("dataschema")
	if text := r.optional("time"); text != "" {
		// RFC 3339 allows a lower-case t and z.
		if err := c.Time.UnmarshalText([]byte(strings.ToUpper(text))); err != nil {
			r.fail(`attribute "time": %.80q is not a time as of RFC 3339`, text)
		}
		c.Time = c.Time.UTC()
		if c.Time.IsZero() || c.Time.Year() < 0 || c.Time.Year() > 9999 {
			r.fail(`attribute "time": %.80q cannot be kept`, text)
		}
	}
}

func (r *cloudEventReader) required(name string) string {
	if _, present := r.attributes[name]; !present {
		r.fail("attribute %q is missing", name)
	}
	return r.optional(name)
}

func (r *cloudEventReader) optional(name string) string {
	value, present := r.attributes[name]
	text, isString := value.(string)
	if present && !isString {
		r.fail("attribute %q is %v: want a string", name, value)
	} else if present && text == "" {
		r.fail("attribute %q is empty", name)
	}
	delete(r.attributes, name)
	return text
}

// recorded takes the extensions that stand for fields. What MarshalJSON would
// not have written under such a name belongs to somebody else, and stays.
func (r *cloudEventReader) recorded(e *Recorded) {
	if version, ok := r.attributes["schemaversion"].(int32); ok && version != 0 {
		e.SchemaVersion = int(version)
		delete(r.attributes, "schemaversion")
	}
	e.Version = r.number("streamversion")
	e.Position = r.number("streamposition")
	if text, _ := r.attributes["checkpoint"].(string); text != "" {
		if checkpoint, err := ParseCheckpoint(text); err == nil {
			e.Checkpoint = checkpoint
			delete(r.attributes, "checkpoint")
		}
	}
	e.Metadata.CorrelationID = r.text("correlationid")
	e.Metadata.CausationID = r.text("causationid")
	e.Metadata.Tenant = r.text("tenant")
	e.Metadata.Actor = r.text("actor")
	e.Metadata.TraceParent = r.text("traceparent")
}

func (r *cloudEventReader) number(name string) int64 {
	text, _ := r.attributes[name].(string)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n == 0 || strconv.FormatInt(n, 10) != text {
		return 0
	}
	delete(r.attributes, name)
	return n
}

func (r *cloudEventReader) text(name string) string {
	text, _ := r.attributes[name].(string)
	if text != "" {
		delete(r.attributes, name)
	}
	return text
}

func (r *cloudEventReader) readData(c *CloudEvent) {
	if r.err != nil {
		return
	}
	var err error
	switch {
	case r.data != nil && r.base64 != nil:
		r.fail(`both "data" and "data_base64" are present`)
	case r.base64 != nil:
		var text string
		if err = json.Unmarshal(r.base64, &text); err == nil {
			c.Data, err = base64.StdEncoding.DecodeString(text)
		}
		if err != nil {
			r.fail(`"data_base64": %s`, err)
		}
	case r.data == nil:
	case isJSONType(c.DataContentType):
		var compact bytes.Buffer
		if err = json.Compact(&compact, r.data); err != nil {
			r.fail(`"data": %s`, err)
		}
		c.Data = compact.Bytes()
	case string(r.data) == "null":
	case r.data[0] != '"':
		r.fail(`"data" is not a string, but the datacontenttype is %.80q`, c.DataContentType)
	default:
		var text string
		if text, err = readString(r.data); err != nil {
			r.fail(`"data": %s`, err)
		}
		c.Data = []byte(text)
	}
}
