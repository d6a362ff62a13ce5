package extract_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/internal/assert"
)

func fuzz(f *testing.F, name string) {
	const limit = 1 << 10
	f.Fuzz(func(t *testing.T, data []byte) {
		document, err := extract.Read(name, bytes.NewReader(data), extract.Limits{Bytes: 64 << 10, Text: limit})
		if err != nil {
			assert.ErrorIs(t, err, extract.ErrRejected)
			var rejected *extract.RejectedError
			assert.True(t, errors.As(err, &rejected) && rejected.Reason != "")
			return
		}
		check(t, document, limit)
	})
}

func FuzzMarkdown(f *testing.F) {
	f.Add([]byte("---\ntitle: x\n---\n# a *b* `c`\n\n- [x](y) ![z](w)\n\n|a|b|\n|-|-|\n|c|d|\n\n<h1>e</h1>\n"))
	f.Add([]byte("> > 1. a\n   ***\n[a]: <b>\n&#0;&nbsp;\\*"))
	fuzz(f, "a.md")
}

func FuzzHTML(f *testing.F) {
	f.Add([]byte("<title>a</title><h1>b<p>c&amp;<script>d</script><pre>\n e</pre><!--f-->"))
	f.Add([]byte("<meta charset=shift_jis>\x82\xa0<svg><title>x"))
	fuzz(f, "a.html")
}

func FuzzText(f *testing.F) {
	f.Add([]byte("\xff\xfea\x00"))
	f.Add([]byte("\xfe\xff\xd8\x3d\xde\x00"))
	f.Add([]byte("one\ttwo\r\nthree\u202e"))
	fuzz(f, "a.txt")
}

func FuzzWAV(f *testing.F) {
	good := wav{tag: 1, channels: 1, samples: 8000, rate: 16_000, block: 2, size: 4, sound: "abcd"}
	f.Add([]byte(good.String()))
	good.before, good.extra = chunk("LIST", "abc"), 24
	f.Add([]byte(good.String()))
	fuzz(f, "a.wav")
}

func FuzzPNG(f *testing.F) {
	f.Add([]byte(picture(f, extract.PNG, 2, 3)))
	fuzz(f, "a.png")
}

func FuzzJPEG(f *testing.F) {
	f.Add([]byte(picture(f, extract.JPEG, 2, 3)))
	fuzz(f, "a.jpg")
}

func FuzzUnnamed(f *testing.F) {
	f.Add([]byte("<!doctype html>x"))
	f.Add([]byte("\x00"))
	fuzz(f, "unnamed")
}
