package eventstore_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/parlance-go/parlance/eventstore"
)

// FuzzCloudEvent reads whatever comes. What can be read can be written, is read
// back as the same, and is written as the same.
func FuzzCloudEvent(f *testing.F) {
	for _, seed := range []string{
		`{"specversion":"1.0","type":"com.example.someevent","source":"/mycontext","id":"A234-1234-1234","time":"2018-04-05T17:31:00Z","comexampleextension1":"value","comexampleothervalue":5,"datacontenttype":"application/xml","data":"<much wow=\"xml\"/>"}`,
		`{"specversion":"1.0","type":"T","source":"/a","id":"0198f2d4-6f80-7abc-8def-0123456789ab","subject":"s-1","schemaversion":2,"streamversion":"3","streamposition":"4","checkpoint":"7@10:20:","correlationid":"c","causationid":"d","tenant":"t","actor":"a","traceparent":"p","data":{"a" : [1,2.50]}}`,
		`{"specversion":"1.0","type":"a\ufffdb","source":"/a","id":"1","free":true,"parlance":"{\"attributes\":{\"type\":\"a\\nb\"},\"extra\":{\"X\":\"y\"}}","data_base64":"AAH/"}`,
		`{"specversion":"1.0","type":"T","source":"/a","id":"1","actor":5,"checkpoint":"0","parlance":"{}","unset":null,"data":null}`,
		`{"specversion":"1.0","type":"T","source":"/a","id":"\ud834\udd1e","data":"\ud800<\u2028"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		var first, second eventstore.CloudEvent
		if err := first.UnmarshalJSON(document); err != nil {
			if !errors.Is(err, eventstore.ErrInvalid) {
				t.Fatalf("an error that is not ErrInvalid: %v", err)
			}
			return
		}
		written, err := json.Marshal(first)
		if err != nil {
			t.Fatalf("read, but cannot be written: %v", err)
		}
		if err := json.Unmarshal(written, &second); err != nil {
			t.Fatalf("written, but cannot be read: %v\n%s", err, written)
		}
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("read as\n%+v\nwritten as\n%s\nread again as\n%+v", first, written, second)
		}
		again, err := json.Marshal(second)
		if err != nil || !bytes.Equal(written, again) {
			t.Fatalf("written as\n%s\nand then as\n%s\n%v", written, again, err)
		}
	})
}

// FuzzRecordedAsCloudEvent writes whatever could be recorded. It is read back
// as the same, also if somebody indents the JSON on the way.
func FuzzRecordedAsCloudEvent(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), "ContentUploaded", int32(1), []byte(`{"title":"Go"}`), true, "", "content-1",
		int64(1), int64(2), int64(1_800_000_000), int64(123456789), "10:20:", int64(3), "actor", "tenant", "region", "eu", "X-Request-ID", "r-1")
	f.Add([]byte("x"), "a\nb", int32(-1), []byte("<\xff"), true, "text/plain", "\u0085",
		int64(-1), int64(0), int64(-1), int64(0), "@\n", int64(0), "\ufdd0", "", "type", "", "parlance", "\x00")
	f.Add([]byte{}, "T", int32(0), []byte{}, false, "application/xml", "",
		int64(0), int64(0), int64(0), int64(0), "", int64(0), "", "", "free", "a\nb", "free", "b")
	f.Fuzz(func(t *testing.T, id []byte, eventType string, schemaVersion int32, data []byte, hasData bool, mediaType, stream string,
		version, position, second, nano int64, base string, offset int64, actor, tenant, key1, value1, key2, value2 string,
	) {
		want := eventstore.CloudEvent{Source: "/contents"}
		copy(want.ID[:], id)
		want.ID[0] |= 1 // zero would be no ID
		want.Type = "T" + eventType
		want.SchemaVersion = int(schemaVersion)
		if hasData {
			want.Data = append([]byte{}, data...)
		}
		if mediaType == "text/plain" || mediaType == "application/xml" {
			want.DataContentType = mediaType
		}
		want.Stream, want.Version, want.Position = stream, version, position
		const years = 9999 * 365 * 24 * 3600
		want.Time = time.Unix(second%years-62_000_000_000+years/2, 0).Add(time.Duration(nano)).UTC()
		want.Checkpoint = eventstore.NewCheckpoint(base, offset)
		want.Metadata = eventstore.Metadata{
			Tenant: tenant, Actor: actor, CorrelationID: value2, CausationID: value1, TraceParent: key1,
			Extra: map[string]string{key1: value1, key2: value2},
		}
		valid := want.Time.Year() >= 0 && want.Time.Year() <= 9999 && len(want.Checkpoint.String()) <= 1<<20
		for _, text := range []string{eventType, stream, base, actor, tenant, key1, value1, key2, value2} {
			valid = valid && utf8.ValidString(text)
		}
		written, err := json.MarshalIndent(want, "", " ")
		if valid != (err == nil) {
			t.Fatalf("could be written: %v, want %v: %v\n%+v", err == nil, valid, err, want)
		}
		if err != nil {
			return
		}
		var got eventstore.CloudEvent
		if err := json.Unmarshal(written, &got); err != nil {
			t.Fatalf("written, but cannot be read: %v\n%s", err, written)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got\n%+v\nwant\n%+v\nwritten as\n%s", got, want, written)
		}
		if (got.Data == nil) == hasData {
			t.Fatalf("got Data %v, want %v", got.Data, want.Data)
		}
	})
}

// FuzzParseCheckpoint reads whatever comes. What can be read is written as it
// was.
func FuzzParseCheckpoint(f *testing.F) {
	for _, seed := range []string{"", "1", "-1", "0", "1@", "0@a", "5@10:20:15@", "9223372036854775808", "+1", "01"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkpoint, err := eventstore.ParseCheckpoint(text)
		if err != nil {
			if !errors.Is(err, eventstore.ErrCheckpoint) || !checkpoint.IsZero() {
				t.Fatalf("%q gives %q and the error %v", text, checkpoint, err)
			}
			return
		}
		if checkpoint.String() != text || checkpoint.IsZero() != (text == "") {
			t.Fatalf("%q comes back as %q", text, checkpoint)
		}
		if base, offset := checkpoint.Parts(); eventstore.NewCheckpoint(base, offset) != checkpoint {
			t.Fatalf("%q is not what its parts %q and %d make", text, base, offset)
		}
	})
}
