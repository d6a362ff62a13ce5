package eventstore

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// CloudEvent is a Recorded in the form that [CloudEvents 1.0] has for all
// systems: encoding/json writes and reads it in the JSON event format, and a
// slice of them in the JSON batch format.
//
//	json.Marshal(eventstore.CloudEvent{Source: "/contents", Recorded: recorded})
//
// Every event that a Store has taken can be written, up to 64 MiB, and what is
// read back is the same: all bytes of Data, nil or empty, and Time to the
// nanosecond, in UTC. Only an Extra without pairs comes back as nil. An event
// from elsewhere keeps all of its attributes. It loses white space in JSON data
// and the digits of a second after the ninth.
//
// The attributes id, type, subject (the Stream), time and the extensions
// schemaversion, streamversion, streamposition, checkpoint, correlationid,
// causationid, tenant, actor and traceparent are fields of Recorded. A zero
// field has no attribute. Numbers of 64 bits are strings, since CloudEvents'
// integers have 32. A pair of Extra is an extension, if its key may be the name
// of one (lower-case letters and digits, none of the above). All other pairs,
// and texts that hold characters which CloudEvents forbids, such as a newline,
// stand together in the extension parlance.
//
// Data is written into "data" if reading gives the same bytes again: that is
// JSON without needless white space and without the characters that
// encoding/json escapes (such as <), under a JSON media type, and UTF-8 under
// text, XML and YAML media types. All else is written into "data_base64".
//
// [CloudEvents 1.0]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
type CloudEvent struct {
	// Source is a URI reference to where events come from: together, source and
	// id are unique in the world. Required.
	Source string

	// ForeignID is the id of an event from elsewhere, if it is not the usual
	// text of a UUID. Reading then also makes a UUID for Event.ID out of source
	// and id (version 5, RFC 9562), always the same, so that the event may be
	// appended, and appended again.
	// Defaults to Event.ID.
	ForeignID string

	// DataContentType is the media type of Data.
	// Defaults to application/json.
	DataContentType string

	// DataSchema is a URI of the schema that Data adheres to.
	// Defaults to none.
	DataSchema string

	// Extensions are attributes that Recorded has no place for: bool and int32,
	// and strings whose name above means something else. To write, they may also
	// be int, and strings of any free name; those are read into Extra.
	Extensions map[string]any

	Recorded
}

const (
	maxCloudEvent        = 64 << 20
	maxCloudEventMembers = 512
)

// coreAttributes are those that the specification defines.
var coreAttributes = [...]string{
	"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data",
}

// ownExtensions are those that stand for fields of Recorded.
var ownExtensions = [...]string{
	"schemaversion", "streamversion", "streamposition", "checkpoint",
	"correlationid", "causationid", "tenant", "actor", "traceparent", "parlance",
}

func isFreeName(name string) bool {
	return isAttributeName(name) && !slices.Contains(coreAttributes[:], name) && !slices.Contains(ownExtensions[:], name)
}

// MarshalJSON returns the event in the JSON event format, compact, attributes in
// a fixed order. The error matches ErrInvalid and names the attribute that is
// missing or cannot be written; or the event has more than 512 members or 64
// MiB.
func (c CloudEvent) MarshalJSON() ([]byte, error) {
	w := cloudEventWriter{json: make([]byte, 0, 512+len(c.Data)+len(c.Data)/2)}
	w.json = append(w.json, `{"specversion":"1.0"`...)
	w.core(&c)
	w.recorded(&c.Recorded)
	w.extra(c.Metadata.Extra)
	w.gathered()
	w.extensions(c.Extensions)
	w.data(c.Data, c.DataContentType)
	w.json = append(w.json, '}')
	if members := len(w.names) + 2; members > maxCloudEventMembers || len(w.json) > maxCloudEvent {
		w.fail("%d members, %d bytes: the limits are %d and %d", members, len(w.json), maxCloudEventMembers, maxCloudEvent)
	}
	if w.err != nil {
		return nil, fmt.Errorf("eventstore: write cloud event: %w", w.err)
	}
	return w.json, nil
}

// cloudEventWriter keeps the first error, so that the attributes can be written
// one after the other.
type cloudEventWriter struct {
	json  []byte
	names []string
	rest  gathered
	err   error
}

func (w *cloudEventWriter) fail(format string, args ...any) {
	if w.err == nil {
		w.err = invalidf(format, args...)
	}
}

func (w *cloudEventWriter) require(name, value string) {
	if value == "" {
		w.fail("attribute %q is missing", name)
	}
}

func (w *cloudEventWriter) core(c *CloudEvent) {
	id := c.ForeignID
	if id == "" && c.ID != uuid.Nil {
		id = c.ID.String()
	}
	w.require("id", id)
	w.exact("id", id)
	w.require("source", c.Source)
	w.exact("source", c.Source)
	w.require("type", c.Type)
	w.text("type", c.Type)
	w.text("subject", c.Stream)
	if utc := c.Time.UTC(); utc.Year() < 0 || utc.Year() > 9999 {
		w.fail(`attribute "time" has the year %d: want 0 to 9999`, utc.Year())
	} else if !utc.IsZero() {
		w.exact("time", utc.Format(time.RFC3339Nano))
	}
	w.exact("datacontenttype", c.DataContentType)
	w.exact("dataschema", c.DataSchema)
}

func (w *cloudEventWriter) recorded(r *Recorded) {
	if int64(r.SchemaVersion) != int64(int32(r.SchemaVersion)) {
		w.fail(`attribute "schemaversion" is %d: want 32 bits`, r.SchemaVersion)
	} else if r.SchemaVersion != 0 {
		w.value("schemaversion", strconv.AppendInt(nil, int64(r.SchemaVersion), 10))
	}
	w.number("streamversion", r.Version)
	w.number("streamposition", r.Position)
	w.text("checkpoint", r.Checkpoint.String())
	w.text("correlationid", r.Metadata.CorrelationID)
	w.text("causationid", r.Metadata.CausationID)
	w.text("tenant", r.Metadata.Tenant)
	w.text("actor", r.Metadata.Actor)
	w.text("traceparent", r.Metadata.TraceParent)
}

func (w *cloudEventWriter) extra(pairs map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		value := pairs[key]
		switch {
		case !isUTF8(key, value):
			w.fail("Extra %.80q: not UTF-8", key)
		case isFreeName(key) && isText(value):
			w.value(key, appendJSONString(nil, value))
		default:
			w.rest.addExtra(key, value)
		}
	}
}

func (w *cloudEventWriter) gathered() {
	if !w.rest.isZero() {
		w.exact("parlance", w.rest.text())
	}
}

func (w *cloudEventWriter) extensions(extensions map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(extensions)) {
		switch {
		case !isAttributeName(name):
			w.fail("extension %.80q: a name has lower-case letters and digits only", name)
			return
		case slices.Contains(coreAttributes[:], name) || slices.Contains(w.names, name):
			w.fail("extension %.80q: the name is taken", name)
			return
		}
		switch value := extensions[name].(type) {
		case bool:
			w.value(name, strconv.AppendBool(nil, value))
		case int32:
			w.value(name, strconv.AppendInt(nil, int64(value), 10))
		case int:
			if value < math.MinInt32 || value > math.MaxInt32 {
				w.fail("extension %q is %d: an integer has 32 bits, longer ones travel as strings", name, value)
			}
			w.value(name, strconv.AppendInt(nil, int64(value), 10))
		case string:
			w.checkText(name, value)
			w.value(name, appendJSONString(nil, value))
		default:
			w.fail("extension %q is a %T: want bool, int32, int or string", name, value)
		}
	}
}

func (w *cloudEventWriter) data(data []byte, mediaType string) {
	switch {
	case data == nil:
	case isJSONType(mediaType) && isEmbeddable(data):
		w.json = append(w.json, `,"data":`...)
		w.json = append(w.json, data...)
	case isTextType(mediaType) && isUTF8(string(data)):
		w.json = append(w.json, `,"data":`...)
		w.json = appendJSONString(w.json, string(data))
	default:
		w.json = append(w.json, `,"data_base64":"`...)
		w.json = base64.StdEncoding.AppendEncode(w.json, data)
		w.json = append(w.json, '"')
	}
}

// value writes an attribute, given its JSON.
func (w *cloudEventWriter) value(name string, value []byte) {
	w.names = append(w.names, name)
	w.json = append(w.json, ',', '"')
	w.json = append(w.json, name...)
	w.json = append(w.json, '"', ':')
	w.json = append(w.json, value...)
}

func (w *cloudEventWriter) number(name string, value int64) {
	if value != 0 {
		w.exact(name, strconv.FormatInt(value, 10))
	}
}

// exact writes a string that has to be text as CloudEvents wants it.
func (w *cloudEventWriter) exact(name, value string) {
	if value != "" {
		w.checkText(name, value)
		w.value(name, appendJSONString(nil, value))
	}
}

// text writes a string that may hold forbidden characters: they are replaced,
// and the string itself is gathered with the rest.
func (w *cloudEventWriter) text(name, value string) {
	switch {
	case isText(value):
		w.exact(name, value)
	case !isUTF8(value):
		w.fail("attribute %q: %.80q is not UTF-8", name, value)
	default:
		w.rest.addAttribute(name, value)
		w.exact(name, replaceForbidden(value))
	}
}

func (w *cloudEventWriter) checkText(name, value string) {
	if !isText(value) {
		w.fail("attribute %q: %.80q holds a character that CloudEvents forbids", name, value)
	}
}
