package extract

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"
)

// decodeText returns the content of a text file as UTF-8. What the file says
// about its encoding is believed; nothing is guessed, since a wrong guess would
// be kept for ever as if it were what the author wrote.
func decodeText(kind Kind, data []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		data = data[3:]
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		return decodeUTF16(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		return decodeUTF16(data[2:], binary.BigEndian)
	}
	if at := bytes.IndexByte(data, 0); at >= 0 {
		return nil, rejectf("it is binary, not text: byte %d is zero", at+1)
	}
	if utf8.Valid(data) {
		return refuseBlank(data)
	}
	if kind == HTML {
		if label := declaredCharset(data); label != "" {
			if encoding, name := charset.Lookup(label); encoding != nil && name != "utf-8" {
				decoded, err := encoding.NewDecoder().Bytes(data)
				if err != nil {
					return nil, rejectf("it is not valid %s, which it says it is", name)
				}
				return refuseBlank(decoded)
			}
		}
	}
	return nil, rejectf("it is not UTF-8 text: byte %d is invalid; save it as UTF-8", invalidByte(data)+1)
}

// refuseBlank rejects a text in which there is nothing to read.
func refuseBlank(data []byte) ([]byte, error) {
	for _, r := range string(data) {
		if !unicode.IsSpace(r) && !unicode.IsControl(r) {
			return data, nil
		}
	}
	return nil, rejectf("it is blank: there is nothing but white space in it")
}

func invalidByte(data []byte) int {
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return len(data)
}

func decodeUTF16(data []byte, order binary.ByteOrder) ([]byte, error) {
	if len(data)%2 != 0 {
		return nil, rejectf("it is not valid UTF-16: it ends in the middle of a character")
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
		if units[i] == 0 {
			return nil, rejectf("it is binary, not text: character %d is zero", i+1)
		}
	}
	for i := 0; i < len(units); i++ {
		if !utf16.IsSurrogate(rune(units[i])) {
			continue
		}
		if i+1 == len(units) || utf16.DecodeRune(rune(units[i]), rune(units[i+1])) == unicode.ReplacementChar {
			return nil, rejectf("it is not valid UTF-16: character %d is half of a pair", i+1)
		}
		i++
	}
	return refuseBlank([]byte(string(utf16.Decode(units))))
}

// declaredCharset returns the encoding that a page names in its first kibibyte,
// which is where the HTML standard wants it (§4.2.5.4).
func declaredCharset(data []byte) string {
	tokens := html.NewTokenizer(bytes.NewReader(data[:min(len(data), 1024)]))
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return ""
		case html.StartTagToken, html.SelfClosingTagToken:
			token := tokens.Token()
			if token.DataAtom != atom.Meta {
				continue
			}
			for _, attribute := range token.Attr {
				switch attribute.Key {
				case "charset":
					return attribute.Val
				case "content":
					if _, label, ok := strings.Cut(strings.ToLower(attribute.Val), "charset="); ok {
						return strings.Trim(label, " \t\"';")
					}
				}
			}
		}
	}
}
