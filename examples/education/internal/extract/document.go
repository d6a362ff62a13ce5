package extract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// Document is what was found in a file. It is the same after a journey as JSON.
type Document struct {
	// Kind is what the file is.
	Kind Kind `json:"kind"`

	// Title is one line, at most 200 characters; "" if the file does not say.
	Title string `json:"title,omitempty"`

	// Headings are in the order of the file.
	Headings []Heading `json:"headings,omitempty"`

	// Text is what a reader reads, without markup, with one newline between
	// blocks. It is valid UTF-8 without control characters other than tab and
	// newline.
	Text string `json:"text,omitempty"`

	// Truncated tells that Text or Headings lack the end, because of a limit.
	Truncated bool `json:"truncated,omitempty"`

	// Words is how many words the whole file has, also when Text is truncated.
	Words int `json:"words,omitempty"`

	// Width and Height of a picture in pixels.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`

	// Duration of a recording.
	Duration time.Duration `json:"durationNs,omitempty"`
}

// Heading is a line above a part of a text.
type Heading struct {
	// Level is 1 for the most important, 6 for the least.
	Level int `json:"level"`
	// Text is one line, at most 200 characters.
	Text string `json:"text"`
}

// Limits bound what a file may cost. The zero Limits work.
type Limits struct {
	// Bytes is the largest file that is read.
	// Defaults to 20 MiB.
	Bytes int64

	// Text is the largest Document.Text, in bytes.
	// Defaults to 480 KiB, which as JSON fits into an event.
	Text int
}

const (
	defaultBytes = 20 << 20
	defaultText  = 480 << 10

	maxTitle        = 200 // characters
	maxHeadings     = 500
	maxHeadingBytes = 16 << 10 // over all headings
)

// ErrRejected is matched by a RejectedError.
var ErrRejected = errors.New("extract: cannot be used")

// RejectedError says why a file cannot be used. Reading the same bytes again
// does not help. It matches ErrRejected.
type RejectedError struct {
	// Reason is a sentence for people that begins with "it".
	Reason string
}

func (e *RejectedError) Error() string { return "extract: " + e.Reason }

// Is makes errors.Is(err, ErrRejected) true.
func (e *RejectedError) Is(target error) bool { return target == ErrRejected }

// Retryable returns false: the same bytes will be rejected again.
func (e *RejectedError) Retryable() bool { return false }

func rejectf(format string, args ...any) error {
	return &RejectedError{Reason: fmt.Sprintf(format, args...)}
}

// Read reads a file. Its name and its content together decide what it is; if
// they contradict each other, the file is rejected. The error matches
// ErrRejected, or is the reader's.
func Read(name string, r io.Reader, limits Limits) (Document, error) {
	if limits.Bytes <= 0 {
		limits.Bytes = defaultBytes
	}
	if limits.Text <= 0 {
		limits.Text = defaultText
	}
	data, err := io.ReadAll(io.LimitReader(r, limits.Bytes+1))
	switch {
	case err != nil:
		return Document{}, fmt.Errorf("extract: read: %w", err)
	case len(data) == 0:
		return Document{}, rejectf("it is empty")
	case int64(len(data)) > limits.Bytes:
		return Document{}, TooLarge(0, limits.Bytes)
	}
	kind, err := detect(name, data)
	if err != nil {
		return Document{}, err
	}
	document := Document{Kind: kind}
	if kind == PNG || kind == JPEG {
		document.Width, document.Height, err = imageSize(kind, bytes.NewReader(data))
		return document, err
	}
	if kind == WAV {
		document.Duration, err = wavDuration(bytes.NewReader(data))
		return document, err
	}
	source, err := decodeText(kind, data)
	if err != nil {
		return Document{}, err
	}
	page := newPage(limits.Text)
	switch kind {
	case Markdown:
		readMarkdown(page, source)
	case HTML:
		readHTML(page, source)
	default:
		readPlain(page, source)
	}
	page.fill(&document)
	return document, nil
}

// TooLarge returns the error for a file of size bytes, 0 if that is not known,
// where limit bytes are allowed.
func TooLarge(size, limit int64) error {
	if size <= 0 {
		return rejectf("it is larger than the limit of %s", Bytes(limit))
	}
	return rejectf("it has %s, the limit is %s", Bytes(size), Bytes(limit))
}

// Bytes writes a number of bytes for people: "1.5 MiB".
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		if n == 1 {
			return "1 byte"
		}
		return fmt.Sprintf("%d bytes", n)
	}
	value, exponent := float64(n)/unit, 0
	for value >= unit && exponent < 5 {
		value /= unit
		exponent++
	}
	if value == float64(int64(value)) {
		return fmt.Sprintf("%d %ciB", int64(value), "KMGTPE"[exponent])
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTPE"[exponent])
}
