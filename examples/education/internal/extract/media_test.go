package extract_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/internal/assert"
)

func picture(t testing.TB, kind extract.Kind, width, height int) string {
	t.Helper()
	var b bytes.Buffer
	encode := func() error { return png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))) }
	if kind == extract.JPEG {
		encode = func() error { return jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, width, height)), nil) }
	}
	assert.NoError(t, encode())
	return b.String()
}

func TestPictures(t *testing.T) {
	document := read(t, "a.png", picture(t, extract.PNG, 31, 7))
	assert.Equal(t, document, extract.Document{Kind: extract.PNG, Width: 31, Height: 7})
	document = read(t, "a.JPG", picture(t, extract.JPEG, 16, 400))
	assert.Equal(t, document, extract.Document{Kind: extract.JPEG, Width: 16, Height: 400})
}

func TestPictureOfAbsurdSizeIsRejected(t *testing.T) {
	header := []byte("IHDR\x00\x10\x00\x00\x00\x00\x00\x01\x08\x00\x00\x00\x00") // 1,048,576 x 1
	bomb := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	bomb = append(bomb, header...)
	bomb = binary.BigEndian.AppendUint32(bomb, crc32.ChecksumIEEE(header))
	assert.Contains(t, reject(t, "a.png", string(bomb)), "1048576 x 1 pixels")
}

// wav is a recording's file as its header describes it.
type wav struct {
	form                 string // defaults to RIFF
	tag, channels, block uint16
	samples, rate        uint32
	extra                int // bytes of the format after the first 16
	before, between      string
	size                 uint32
	sound                string
}

func (w wav) String() string {
	if w.form == "" {
		w.form = "RIFF"
	}
	le := binary.LittleEndian
	format := le.AppendUint16(nil, w.tag)
	format = le.AppendUint16(format, w.channels)
	format = le.AppendUint32(format, w.samples)
	format = le.AppendUint32(format, w.rate)
	format = le.AppendUint16(format, w.block)
	format = le.AppendUint16(format, 16)
	format = append(format, make([]byte, w.extra)...)
	data := chunk("data", w.sound)
	le.PutUint32([]byte(data)[4:], w.size)
	raw := []byte(data)
	le.PutUint32(raw[4:], w.size)
	return w.form + "\xff\xff\xff\xffWAVE" + w.before + chunk("fmt ", string(format)) + w.between + string(raw)
}

func chunk(id, content string) string {
	head := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(content)))
	if len(content)%2 == 1 {
		content += "\x00"
	}
	return string(head) + content
}

func TestRecordings(t *testing.T) {
	base := wav{
		tag: 1, channels: 1, samples: 8000, rate: 16_000, block: 2,
		size: 24_000, sound: strings.Repeat("\x00", 24_000),
	}
	for name, test := range map[string]struct {
		change func(*wav)
		want   time.Duration
	}{
		"plain":             {func(*wav) {}, 1500 * time.Millisecond},
		"extensible":        {func(w *wav) { w.tag, w.extra = 0xfffe, 24 }, 1500 * time.Millisecond},
		"odd format":        {func(w *wav) { w.extra = 3 }, 1500 * time.Millisecond},
		"chunks before":     {func(w *wav) { w.before = chunk("JUNK", "odd") + chunk("LIST", "abcd") }, 1500 * time.Millisecond},
		"chunks between":    {func(w *wav) { w.between = chunk("fact", "1234") }, 1500 * time.Millisecond},
		"cut off":           {func(w *wav) { w.sound = w.sound[:8000] }, 500 * time.Millisecond},
		"size unknown":      {func(w *wav) { w.size = 0xffffffff }, 1500 * time.Millisecond},
		"size too large":    {func(w *wav) { w.size = 0xfffffffe }, 1500 * time.Millisecond},
		"RF64":              {func(w *wav) { w.form, w.size, w.before = "RF64", 0xffffffff, chunk("ds64", strings.Repeat("\x00", 28)) }, 1500 * time.Millisecond},
		"rate left out":     {func(w *wav) { w.rate = 0 }, 1500 * time.Millisecond},
		"no sound in it":    {func(w *wav) { w.size, w.sound = 0, "" }, 0},
		"one byte":          {func(w *wav) { w.size, w.sound, w.rate = 1, "x", 3 }, 333_333_333},
		"compressed":        {func(w *wav) { w.tag, w.rate = 0x55, 4000 }, 6 * time.Second},
		"one byte a second": {func(w *wav) { w.rate = 1 }, 24_000 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := base
			test.change(&w)
			assert.Equal(t, read(t, "a.wav", w.String()).Duration, test.want)
		})
	}
	t.Run("sound before the format", func(t *testing.T) {
		head := base
		head.size, head.sound = 0, ""
		whole := head.String()
		format := whole[12 : len(whole)-8]
		assert.Equal(t, read(t, "a.wav", whole[:12]+chunk("data", base.sound)+format).Duration, 1500*time.Millisecond)
		assert.Equal(t, read(t, "a.wav", whole[:12]+chunk("data", base.sound[:16001])+format).Duration, 1000062500*time.Nanosecond)
	})
}

func TestDamagedRecordings(t *testing.T) {
	good := wav{tag: 1, channels: 1, samples: 8000, rate: 16_000, block: 2, size: 4, sound: "abcd"}
	for name, test := range map[string]struct {
		content string
		want    string
	}{
		"only a head":   {good.String()[:12], "does not say its format"},
		"no sound":      {good.String()[:36], "has no sound"},
		"half a format": {good.String()[:30], "ends in its format"},
		"no channels":   {wav{rate: 1, block: 1, samples: 1}.String(), "no channels"},
		"zero rate":     {wav{channels: 1}.String(), "zero bytes per second"},
		"short format":  {"RIFF\x00\x00\x00\x00WAVE" + chunk("fmt ", "12345678"), "its format takes 8 bytes"},
		"AVI":           {"RIFF\x00\x00\x00\x00AVI ", "not a WAV file"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Contains(t, reject(t, "a.wav", test.content), test.want)
		})
	}
}
