// Package intake takes files in: it keeps their bytes, and then says so with an
// UploadContent. In this order, so that what the log speaks of is there.
package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/examples/education/internal/blob"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/extract"
)

// Intake takes files in. It is safe for concurrent use.
type Intake struct {
	Contents *content.Repository
	Commands *cqrs.Commands
	Blobs    *blob.Folder

	// MaxSize is the largest file that is kept, in bytes.
	MaxSize int64
}

// Receipt says what became of a file.
type Receipt struct {
	// ID is that of the content.
	ID string
	// Known tells that the same file had been taken in before.
	Known bool
	// Status is that of the content, and Version that of its last event.
	Status  content.Status
	Version int64
}

// Upload takes in the bytes of a reader under a file's name. Too many bytes make
// a content that fails. The error matches blob.ErrSource if it is that of the
// reader; with an error there is no content.
func (in *Intake) Upload(ctx context.Context, fileName string, r io.Reader) (Receipt, error) {
	kept, err := in.Blobs.Put(ctx, r, in.MaxSize)
	if errors.Is(err, blob.ErrTooLarge) {
		return in.refuse(ctx, "upload", fileName, 0, "", extract.TooLarge(0, in.MaxSize))
	}
	if err != nil {
		return Receipt{}, err
	}
	return in.take(ctx, "upload", fileName, fileName, kept)
}

// take says that a file was uploaded whose bytes are kept. Place is what tells
// it from other files of the same source with the same bytes.
func (in *Intake) take(ctx context.Context, source, place, fileName string, kept blob.Blob) (Receipt, error) {
	upload := describe(source, fileName)
	upload.Size, upload.Hash = kept.Size, kept.Hash
	return in.send(ctx, content.ID(place, kept.Hash), upload)
}

// refuse says that a file was uploaded whose bytes are not kept. The fingerprint
// tells it from the same file when it can be used.
func (in *Intake) refuse(ctx context.Context, source, fileName string, size int64, fingerprint string, reason error) (Receipt, error) {
	upload := describe(source, fileName)
	upload.Size = size
	upload.Problem = strings.TrimPrefix(reason.Error(), "extract: ")
	return in.send(ctx, content.ID(fileName, "refused "+upload.Problem+fingerprint), upload)
}

func describe(source, fileName string) content.Upload {
	name := Name(fileName)
	return content.Upload{
		Title: name, FileName: name, Source: extract.Line(source),
		ContentType: string(extract.ByName(name)),
	}
}

func (in *Intake) send(ctx context.Context, id string, upload content.Upload) (Receipt, error) {
	err := cqrs.Send(ctx, in.Commands, content.UploadContent{ID: id, Upload: upload})
	switch {
	case errors.Is(err, content.ErrTransition):
		return in.known(ctx, id)
	case err != nil:
		return Receipt{}, fmt.Errorf("intake: %w", err)
	}
	return Receipt{ID: id, Status: content.Uploaded, Version: 1}, nil
}

// known returns the receipt of a content that is there already, or one without
// ID.
func (in *Intake) known(ctx context.Context, id string) (Receipt, error) {
	state, version, err := in.Contents.Load(ctx, id)
	if err != nil {
		return Receipt{}, fmt.Errorf("intake: %w", err)
	}
	if version == 0 {
		return Receipt{}, nil
	}
	return Receipt{ID: id, Known: true, Status: state.Status, Version: version}, nil
}

// Name returns the last part of a file's name, as one line that can be shown.
// It is never used as a path.
func Name(fileName string) string {
	base := path.Base(strings.ReplaceAll(fileName, `\`, "/"))
	name := extract.Line(base)
	if name == "" || name == "." || name == "/" {
		return "unnamed"
	}
	if suffix := extract.Line(path.Ext(base)); len(suffix) < 10 && !strings.HasSuffix(name, suffix) {
		// Too long: what it is must not get lost.
		name += suffix
	}
	return name
}
