package eventstore

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

func isAttributeName(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// isForbidden tells which characters a CloudEvents String may not hold: control
// characters and what Unicode calls noncharacters.
func isForbidden(r rune) bool {
	return r < ' ' || 0x7f <= r && r <= 0x9f || 0xfdd0 <= r && r <= 0xfdef || r&0xfffe == 0xfffe
}

// isText tells whether a string is a CloudEvents String.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, isForbidden)
}

func isUTF8(texts ...string) bool {
	for _, s := range texts {
		if !utf8.ValidString(s) {
			return false
		}
	}
	return true
}

func replaceForbidden(s string) string {
	return strings.Map(func(r rune) rune {
		if isForbidden(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// appendJSONString appends a string of UTF-8 as JSON.
func appendJSONString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always can be
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// hasLoneSurrogate tells whether a JSON string escapes half of a character,
// which encoding/json would replace.
func hasLoneSurrogate(quoted []byte) bool {
	for i := 0; i < len(quoted); i++ {
		if quoted[i] != '\\' {
			continue
		}
		i++
		if quoted[i] != 'u' {
			continue
		}
		r := hexRune(quoted[i+1:])
		i += 4
		if !utf16.IsSurrogate(r) {
			continue
		}
		next := quoted[i+1:]
		if !bytes.HasPrefix(next, []byte(`\u`)) || utf16.DecodeRune(r, hexRune(next[2:])) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}

func hexRune(digits []byte) (r rune) {
	for _, c := range bytes.ToLower(digits[:4]) {
		r <<= 4
		if c >= 'a' {
			r += rune(c - 'a' + 10)
		} else {
			r += rune(c - '0')
		}
	}
	return r
}

func mediaType(contentType string) string {
	contentType, _, _ = strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(contentType))
}

func isJSONType(contentType string) bool {
	t := mediaType(contentType)
	return contentType == "" || strings.HasSuffix(t, "/json") || strings.HasSuffix(t, "+json")
}

func isTextType(contentType string) bool {
	t := mediaType(contentType)
	if strings.HasPrefix(t, "text/") {
		return !isJSONType(contentType)
	}
	for _, suffix := range [...]string{"/xml", "+xml", "/yaml", "+yaml"} {
		if strings.HasSuffix(t, suffix) {
			return true
		}
	}
	return false
}

// isEmbeddable tells whether JSON data comes back as the same bytes when it is
// part of a document that encoding/json has written, and perhaps indented.
func isEmbeddable(data []byte) bool {
	var compact bytes.Buffer
	return json.Compact(&compact, data) == nil && bytes.Equal(compact.Bytes(), data) &&
		utf8.Valid(data) && !bytes.ContainsAny(data, "<>&\u2028\u2029") && depth(data) < maxDepth
}

// maxDepth is far below the 10,000 levels that encoding/json reads, so that the
// document itself may be a part of another.
const maxDepth = 1000

// depth returns how deeply arrays and objects are nested in valid JSON.
func depth(data []byte) (deepest int) {
	now := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '[', '{':
			now++
			deepest = max(deepest, now)
		case ']', '}':
			now--
		case '"':
			for i++; data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		}
	}
	return deepest
}

// gathered is what CloudEvents has no place for: texts of attributes that hold
// forbidden characters, and pairs of Extra whose keys or values do or whose keys
// are taken. It travels as JSON in one extension.
type gathered struct {
	Attributes map[string]string `json:"attributes,omitempty"`
	Extra      map[string]string `json:"extra,omitempty"`
}

func (g *gathered) isZero() bool { return len(g.Attributes) == 0 && len(g.Extra) == 0 }

func (g *gathered) addAttribute(name, value string) {
	if g.Attributes == nil {
		g.Attributes = make(map[string]string)
	}
	g.Attributes[name] = value
}

func (g *gathered) addExtra(key, value string) {
	if g.Extra == nil {
		g.Extra = make(map[string]string)
	}
	g.Extra[key] = value
}

// text returns the JSON in ASCII, so that it is a CloudEvents String itself.
func (g *gathered) text() string {
	written, _ := json.Marshal(g) // maps of strings always can be
	const hex = "0123456789abcdef"
	var ascii strings.Builder
	for _, r := range string(written) {
		if r < 0x7f {
			ascii.WriteByte(byte(r))
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			ascii.WriteString(`\u`)
			for shift := 12; shift >= 0; shift -= 4 {
				ascii.WriteByte(hex[unit>>shift&0xf])
			}
		}
	}
	return ascii.String()
}

// parseGathered returns what text holds, if it is what text would have returned
// for an event with these attributes.
func parseGathered(text string, attributes map[string]any) (g gathered, ok bool) {
	if json.Unmarshal([]byte(text), &g) != nil || g.isZero() || g.text() != text {
		return gathered{}, false
	}
	for name, value := range g.Attributes {
		if !isGatherable(name) || isText(value) || attributes[name] != any(replaceForbidden(value)) {
			return gathered{}, false
		}
	}
	for key, value := range g.Extra {
		if _, twice := attributes[key].(string); isFreeName(key) && (twice || isText(value)) {
			return gathered{}, false
		}
	}
	return g, true
}

func isGatherable(name string) bool {
	switch name {
	case "type", "subject", "checkpoint", "correlationid", "causationid", "tenant", "actor", "traceparent":
		return true
	}
	return false
}
