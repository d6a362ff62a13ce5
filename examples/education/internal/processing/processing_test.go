package processing_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/blob"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/examples/education/internal/processing"
	"github.com/parlance-go/parlance/examples/education/internal/service/reading"
	"github.com/parlance-go/parlance/internal/assert"
)

type fixture struct {
	*processing.Processor

	store  *eventstore.Store
	blobs  *blob.Folder
	folder string
}

// newFixture returns a Processor; crash, if not nil, is called before each
// command and may fail it.
func newFixture(t *testing.T, crash func(command any) error) *fixture {
	t.Helper()
	f := &fixture{
		store:  eventstore.New(eventstore.NewMemory(), eventstore.Config{}),
		folder: filepath.Join(t.TempDir(), "files"),
	}
	contents, err := content.NewRepository(f.store)
	assert.NoError(t, err)
	blobs, err := blob.Open(f.folder)
	assert.NoError(t, err)
	commands := cqrs.NewCommands(func(next cqrs.Next) cqrs.Next {
		return func(ctx context.Context, message cqrs.Message) error {
			if crash != nil {
				if err := crash(message.Value); err != nil {
					return err
				}
			}
			return next(ctx, message)
		}
	})
	assert.NoError(t, content.Handle(commands, contents))
	f.blobs = blobs
	f.Processor = &processing.Processor{
		Contents: contents, Commands: commands,
		Reader: reading.New(blobs, extract.Limits{}, slog.New(slog.DiscardHandler)),
	}
	return f
}

func (f *fixture) upload(t *testing.T, name, text string) string {
	t.Helper()
	kept, err := f.blobs.Put(t.Context(), strings.NewReader(text), 1<<20)
	assert.NoError(t, err)
	id := content.ID(name, kept.Hash)
	_, err = f.Contents.Handle(t.Context(), id, content.UploadContent{
		ID: id, Upload: content.Upload{Title: name, FileName: name, Hash: kept.Hash, Size: kept.Size},
	})
	assert.NoError(t, err)
	return id
}

// types returns the types of a content's events, and what the last says.
func (f *fixture) types(t *testing.T, id string) (types []string, last string) {
	t.Helper()
	for event, err := range f.store.Read(t.Context(), content.Stream(id), 1) {
		assert.NoError(t, err)
		types, last = append(types, strings.TrimPrefix(event.Type, "Content")), string(event.Data)
	}
	return types, last
}

var (
	good = []string{"Uploaded", "ProcessingStarted", "ProcessingCompleted", "Published"}
	bad  = []string{"Uploaded", "ProcessingStarted", "ProcessingFailed"}
)

func TestDrive(t *testing.T) {
	f := newFixture(t, nil)
	id := f.upload(t, "a.md", "# Title\n\nsome words")
	for range 2 { // an event may come twice
		assert.NoError(t, f.Drive(t.Context(), id))
		types, _ := f.types(t, id)
		assert.Equal(t, types, good)
	}
	state, _, err := f.Contents.Load(t.Context(), id)
	assert.NoError(t, err)
	assert.Equal(t, state.Title, "Title")
}

func TestDriveFails(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, f *fixture) (id string)
		want    string
	}{
		"rejected": {func(t *testing.T, f *fixture) string {
			return f.upload(t, "a.md", "\x00")
		}, "it is binary"},
		"bytes are gone": {func(t *testing.T, f *fixture) string {
			id := f.upload(t, "a.md", "text")
			assert.NoError(t, os.RemoveAll(f.folder))
			return id
		}, "no longer there"},
		"bytes have changed": {func(t *testing.T, f *fixture) string {
			id := f.upload(t, "a.md", "text")
			files, err := filepath.Glob(filepath.Join(f.folder, "*", "*"))
			assert.NoError(t, err)
			assert.Equal(t, len(files), 1)
			assert.NoError(t, os.WriteFile(files[0], []byte("tixt"), 0o600))
			return id
		}, "no longer what they were"},
		"never kept": {func(t *testing.T, f *fixture) string {
			_, err := f.Contents.Handle(t.Context(), "x", content.UploadContent{ID: "x", Upload: content.Upload{Problem: "it was too large"}})
			assert.NoError(t, err)
			return "x"
		}, "it was too large"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			id := test.prepare(t, f)
			assert.NoError(t, f.Drive(t.Context(), id))
			types, last := f.types(t, id)
			assert.Equal(t, types, bad)
			assert.Contains(t, last, test.want)
		})
	}
}

// TestDriveGoesOnAfterACrash at each of its steps, before and after the command
// has had its effect.
func TestDriveGoesOnAfterACrash(t *testing.T) {
	crashed := errors.New("power is out")
	for step := range 3 {
		n := 0
		f := newFixture(t, func(any) error {
			if n++; n == step+1 {
				return crashed
			}
			return nil
		})
		id := f.upload(t, "a.md", "text")
		assert.ErrorIs(t, f.Drive(t.Context(), id), crashed)
		types, _ := f.types(t, id)
		assert.Equal(t, types, good[:step+1])
		assert.NoError(t, f.Drive(t.Context(), id))
		types, _ = f.types(t, id)
		assert.Equal(t, types, good, "after a crash before step %d", step+1)
	}
}

func TestDriveTheSameAtOnce(t *testing.T) {
	f := newFixture(t, nil)
	for range 50 {
		id := f.upload(t, "a.md", "text")
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if err := f.Drive(t.Context(), id); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		types, _ := f.types(t, id)
		assert.Equal(t, types, good)
		f.store = eventstore.New(eventstore.NewMemory(), eventstore.Config{})
		contents, err := content.NewRepository(f.store)
		assert.NoError(t, err)
		f.Contents, f.Commands = contents, cqrs.NewCommands()
		assert.NoError(t, content.Handle(f.Commands, contents))
	}
}

func TestDriveStopsWithItsContext(t *testing.T) {
	f := newFixture(t, nil)
	id := f.upload(t, "a.md", "text")
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	assert.ErrorIs(t, f.Drive(ctx, id), stopped)
	types, _ := f.types(t, id)
	assert.Equal(t, types, good[:1])
}

// TestEveryContentHasOneLane: none is left out, none is processed twice.
func TestEveryContentHasOneLane(t *testing.T) {
	f := newFixture(t, nil)
	for i := range 40 {
		id := f.upload(t, strings.Repeat("a", i+1)+".md", "text")
		var uploaded eventstore.Recorded
		for event, err := range f.store.Read(t.Context(), content.Stream(id), 1) {
			assert.NoError(t, err)
			uploaded = event
		}
		acted := 0
		for _, reaction := range f.Reactions() {
			before, _ := f.types(t, id)
			assert.NoError(t, reaction.React(t.Context(), uploaded))
			if after, _ := f.types(t, id); len(after) != len(before) {
				acted++
			}
		}
		assert.Equal(t, acted, 1)
	}
}
