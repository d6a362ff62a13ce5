package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/extract"
)

// maxHistory is how many events of a content are shown. Few have more than
// four.
const maxHistory = 200

// history returns the events of a content.
func (s *Site) history(ctx context.Context, id string) ([]eventstore.Recorded, error) {
	var history []eventstore.Recorded
	for event, err := range s.Store.Read(ctx, content.Stream(id), 1) {
		if err != nil {
			return nil, err
		}
		if history = append(history, event); len(history) == maxHistory {
			break
		}
	}
	return history, nil
}

// replay folds a history.
func replay(history []eventstore.Recorded) (content.Content, error) {
	state := content.Content{Status: content.Draft}
	events, err := content.Events()
	if err != nil {
		return state, err
	}
	for _, recorded := range history {
		event, err := events.Decode(recorded.Event)
		if err != nil {
			return state, err
		}
		state = content.Evolve(state, event)
	}
	return state, nil
}

var labels = map[string]string{
	content.TypeUploaded:  "Uploaded",
	content.TypeStarted:   "Processing started",
	content.TypeCompleted: "Processing completed",
	content.TypeFailed:    "Processing failed",
	content.TypePublished: "Published",
}

func shown(history []eventstore.Recorded) []shownEvent {
	events := make([]shownEvent, len(history))
	for i, event := range history {
		events[i] = shownEvent{Recorded: event, Label: labels[event.Type], Body: body(event.Data)}
		if i > 0 {
			events[i].After = max(event.Time.Sub(history[i-1].Time), 0).Round(100 * time.Microsecond)
		}
	}
	return events
}

// body returns the data of an event, indented and, where it is long, cut. JSON
// has the whole.
func body(data []byte) string {
	const longest = 1500
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil || len(fields) == 0 {
		return ""
	}
	if text, ok := fields["text"].(string); ok && len(text) > 300 {
		end := 300
		for !utf8.RuneStart(text[end]) {
			end--
		}
		fields["text"] = text[:end] + "… (" + extract.Bytes(int64(len(text))) + ")"
	}
	if headings, ok := fields["headings"].([]any); ok && len(headings) > 5 {
		fields["headings"] = append(headings[:5:5], "… ("+strconv.Itoa(len(headings))+" headings)")
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(fields); err != nil {
		return ""
	}
	if b.Len() <= longest {
		return b.String()
	}
	return string(bytes.ToValidUTF8(b.Bytes()[:longest], nil)) + "…"
}

// file sends the bytes that were uploaded. A picture or recording is shown, all
// else is for the visitor's disk: a page that somebody uploaded must not run as
// one of ours.
func (s *Site) file(w http.ResponseWriter, r *http.Request) {
	id, err := id(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	history, err := s.history(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	state, err := replay(history)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if state.Upload.Hash == "" {
		s.fail(w, r, &visitorError{http.StatusNotFound, "The bytes of this content were not kept."})
		return
	}
	file, err := s.Blobs.Get(state.Upload.Hash)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		s.fail(w, r, err)
		return
	}
	kind := extract.Kind(state.Upload.ContentType)
	disposition := "attachment"
	switch {
	case state.Status != content.Published, kind != extract.PNG && kind != extract.JPEG && kind != extract.WAV:
		kind = extract.Unknown
	default:
		disposition = "inline"
	}
	w.Header().Set("Content-Type", string(kind))
	w.Header().Set("Content-Disposition", disposition+"; filename*=UTF-8''"+attribute(state.Upload.FileName))
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	w.Header().Set("ETag", `"`+state.Upload.Hash+`"`)
	http.ServeContent(w, r, "", info.ModTime(), io.ReadSeeker(file))
}

// attribute encodes a value for a header (RFC 8187).
func attribute(value string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
	var b bytes.Buffer
	for i := range len(value) {
		if c := value[i]; bytes.IndexByte([]byte(plain), c) >= 0 {
			b.WriteByte(c)
		} else {
			const digits = "0123456789ABCDEF"
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}
