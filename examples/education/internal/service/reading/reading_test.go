package reading_test

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/parlance-go/parlance/examples/education/internal/blob"
	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/examples/education/internal/service"
	"github.com/parlance-go/parlance/examples/education/internal/service/reading"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// over returns the service, and a client that calls it.
func over(t *testing.T, folder string) (*blob.Folder, *reading.Service, reading.Client) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	blobs, err := blob.Open(folder)
	assert.NoError(t, err)
	near := reading.New(blobs, extract.Limits{}, logger)
	server, err := service.Listen(t.Context(), reading.Name, near.Handler(), logger)
	assert.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	client, err := service.NewClient(service.Config{
		Name: reading.Name, URL: server.URL(), Calls: policy.Settings{Retry: retry.Config{MaxAttempts: 1}}, Logger: logger,
	})
	assert.NoError(t, err)
	t.Cleanup(func() {
		client.CloseIdle()
		stop()
		assert.NoError(t, <-ended)
	})
	return blobs, near, reading.Client{Client: client}
}

func TestADocumentIsTheSameOverThere(t *testing.T) {
	blobs, near, far := over(t, t.TempDir())
	var picture bytes.Buffer
	assert.NoError(t, png.Encode(&picture, image.NewGray(image.Rect(0, 0, 3, 2))))
	sound := "RIFF\x2c\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data\x08\x00\x00\x00\x80\x80\x80\x80\x80\x80\x80\x80"
	for name, text := range map[string]string{
		"a.md":      "# Ti<b>tle\n\nsome \"words\" & \u2028 <more>\u00e9\U0001f4a1\n\n## Two\n",
		"b.html":    "<title>T</title><p>x\ty</p>",
		"c.txt":     strings.Repeat("<&>\"\\ ", 200_000), // as long as JSON gets
		"d.png":     picture.String(),
		"e.wav":     sound,
		"empty.md":  "",
		"binary.md": "\x00",
		"f.pdf":     "%PDF",
	} {
		t.Run(name, func(t *testing.T) {
			kept, err := blobs.Put(t.Context(), strings.NewReader(text), 10<<20)
			assert.NoError(t, err)
			reference := reading.Reference{FileName: name, Hash: kept.Hash}
			want, wantErr := near.Read(t.Context(), reference)
			got, err := far.Read(t.Context(), reference)
			assert.Equal(t, got, want)
			assert.Equal(t, err, wantErr)
		})
	}
}

func TestBytesThatAreNotThere(t *testing.T) {
	_, _, far := over(t, t.TempDir())
	for _, hash := range []string{strings.Repeat("0", 64), "", "../../etc/passwd", strings.Repeat("x", 1000)} {
		_, err := far.Read(t.Context(), reading.Reference{FileName: "a.md", Hash: hash})
		assert.Equal(t, assert.ErrorAs[*extract.RejectedError](t, err).Reason, "its bytes are no longer there")
	}
}

// TestADiskThatFailsIsNoRejection: nobody may conclude anything about the
// document from it.
func TestADiskThatFailsIsNoRejection(t *testing.T) {
	folder := t.TempDir()
	blobs, _, far := over(t, folder)
	kept, err := blobs.Put(t.Context(), strings.NewReader("text"), 10)
	assert.NoError(t, err)
	file := folder + "/" + kept.Hash[:2] + "/" + kept.Hash
	assert.NoError(t, os.Remove(file))
	assert.NoError(t, os.Mkdir(file, 0o700)) // can be opened, and not read
	_, err = far.Read(t.Context(), reading.Reference{FileName: "a.md", Hash: kept.Hash})
	assert.ErrorAs[*service.UnavailableError](t, err)
	assert.Equal(t, assert.ErrorAs[*service.StatusError](t, err).Code, http.StatusInternalServerError)
}
