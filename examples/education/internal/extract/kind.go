package extract

import (
	"bytes"
	"net/http"
	"path"
	"strings"
)

// Kind is what a file is: a media type.
type Kind string

// The kinds of files that can be read.
const (
	Markdown Kind = "text/markdown"
	HTML     Kind = "text/html"
	Plain    Kind = "text/plain"
	PNG      Kind = "image/png"
	JPEG     Kind = "image/jpeg"
	WAV      Kind = "audio/wav"
)

// Unknown is the kind of a file that cannot be read.
const Unknown Kind = "application/octet-stream"

// Kinds returns all kinds that can be read.
func Kinds() []Kind { return []Kind{Markdown, HTML, Plain, PNG, JPEG, WAV} }

// Label returns the kind's name for people.
func (k Kind) Label() string {
	switch k {
	case Markdown:
		return "Markdown"
	case HTML:
		return "HTML"
	case Plain:
		return "Text"
	case PNG:
		return "PNG"
	case JPEG:
		return "JPEG"
	case WAV:
		return "WAV"
	case Unknown:
	}
	return "Other"
}

var byExtension = map[string]Kind{
	".md": Markdown, ".markdown": Markdown,
	".html": HTML, ".htm": HTML, ".xhtml": HTML,
	".txt": Plain, ".text": Plain,
	".png": PNG, ".jpg": JPEG, ".jpeg": JPEG,
	".wav": WAV, ".wave": WAV,
}

// ByName returns the kind that a file's name promises, Unknown if it promises
// none.
func ByName(name string) Kind {
	if kind, ok := byExtension[suffix(name)]; ok {
		return kind
	}
	return Unknown
}

func suffix(name string) string { return strings.ToLower(path.Ext(name)) }

// detect decides what a file is. A name without an extension leaves the
// decision to the content.
func detect(name string, data []byte) (Kind, error) {
	promised, found := ByName(name), sniff(data)
	switch {
	case promised == Unknown && suffix(name) != "":
		return Unknown, rejectf("its type %.20q is not among those that can be read: Markdown, HTML, text, PNG, JPEG, WAV", suffix(name))
	case promised == Unknown && found == Unknown:
		return Unknown, rejectf("it is binary, and neither PNG, JPEG nor WAV")
	case promised == Unknown:
		return found, nil
	case !promised.IsText() && found != promised:
		return Unknown, rejectf("it is named %s, but it is not a %s file", suffix(name), promised.Label())
	case promised.IsText() && found != Unknown && !found.IsText():
		return Unknown, rejectf("it is named %s, but its content is %s", suffix(name), found.Label())
	}
	return promised, nil
}

// IsText tells whether files of this kind are read as text.
func (k Kind) IsText() bool { return strings.HasPrefix(string(k), "text/") }

// sniff tells what the content is by its first bytes. Text is no more than the
// absence of signs of anything else.
func sniff(data []byte) Kind {
	switch {
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		return PNG
	case bytes.HasPrefix(data, []byte{0xff, 0xd8, 0xff}):
		return JPEG
	case len(data) >= 12 && isRIFF(data[:4]) && string(data[8:12]) == "WAVE":
		return WAV
	}
	switch found := http.DetectContentType(data); {
	case strings.HasPrefix(found, "text/html"):
		return HTML
	case strings.HasPrefix(found, "text/"):
		return Plain
	}
	return Unknown
}
