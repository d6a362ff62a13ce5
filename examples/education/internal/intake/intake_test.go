package intake_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/blob"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/intake"
	"github.com/parlance-go/parlance/internal/assert"
)

func newIntake(t *testing.T) (*intake.Intake, *eventstore.Store) {
	t.Helper()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	contents, err := content.NewRepository(store)
	assert.NoError(t, err)
	blobs, err := blob.Open(filepath.Join(t.TempDir(), "files"))
	assert.NoError(t, err)
	commands := cqrs.NewCommands()
	assert.NoError(t, content.Handle(commands, contents))
	return &intake.Intake{Contents: contents, Commands: commands, Blobs: blobs, MaxSize: 1000}, store
}

// folder makes files, and opens the folder they are in.
func folder(t *testing.T, files map[string]string) (*intake.Folder, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		assert.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		assert.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	f, err := intake.OpenFolder(dir, filepath.Join(dir, "data"))
	assert.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f, dir
}

func events(t *testing.T, store *eventstore.Store) int {
	t.Helper()
	n, err := store.Count(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{})
	assert.NoError(t, err)
	return int(n)
}

func TestFiles(t *testing.T) {
	f, dir := folder(t, map[string]string{
		"README.md": "", "main.go": "", "notes.txt": "", "docs/a.html": "", "docs/deep/b.wav": "", "docs/c.go": "",
		".hidden.md": "", ".git/x.md": "", "sub/y.md": "", "node_modules/z.md": "", "sub/testdata/t.md": "",
		"vendor/v.md": "", "data/files/w.md": "", "sub/data/kept.md": "",
	})
	outside := filepath.Join(t.TempDir(), "secret.md")
	assert.NoError(t, os.WriteFile(outside, []byte("secret"), 0o600))
	for link, target := range map[string]string{
		"out.md": outside, "up.md": "../secret.md", "dangling.md": "nothing.md", "in.md": "README.md", "loop": ".",
		"self.md": "self.md", "abs": "/",
	} {
		assert.NoError(t, os.Symlink(target, filepath.Join(dir, link)))
	}
	// One that would block who reads it.
	socket, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(dir, "socket.md"))
	assert.NoError(t, err)
	defer func() { _ = socket.Close() }()
	files, err := f.Files(t.Context(), intake.Documentation)
	assert.NoError(t, err)
	assert.Equal(t, files, []string{"README.md", "docs/a.html", "docs/deep/b.wav", "in.md", "sub/data/kept.md", "sub/y.md"})
	files, err = f.Files(t.Context(), intake.Everything)
	assert.NoError(t, err)
	assert.True(t, slices.Contains(files, "main.go") && slices.Contains(files, "notes.txt"))
	assert.False(t, slices.Contains(files, "out.md") || slices.Contains(files, "up.md") || slices.Contains(files, "data/files/w.md"))

	in, _ := newIntake(t)
	receipt, err := in.Import(t.Context(), f, "out.md")
	assert.NoError(t, err)
	state, _, err := in.Contents.Load(t.Context(), receipt.ID)
	assert.NoError(t, err)
	assert.Equal(t, state.Upload.Hash, "", "what a link leads out to was read")
}

func TestImportOnce(t *testing.T) {
	in, store := newIntake(t)
	f, dir := folder(t, map[string]string{"a.md": "one", "b/a.md": "one"})
	first, err := in.Import(t.Context(), f, "a.md")
	assert.NoError(t, err)
	assert.False(t, first.Known)
	second, err := in.Import(t.Context(), f, "a.md")
	assert.NoError(t, err)
	assert.True(t, second.Known)
	assert.Equal(t, second.ID, first.ID)
	assert.Equal(t, events(t, store), 1)

	other, err := in.Import(t.Context(), f, "b/a.md")
	assert.NoError(t, err)
	assert.NotEqual(t, other.ID, first.ID, "another file with the same bytes is another content")

	assert.NoError(t, os.WriteFile(filepath.Join(dir, "a.md"), []byte("two"), 0o600))
	changed, err := in.Import(t.Context(), f, "a.md")
	assert.NoError(t, err)
	assert.False(t, changed.Known)
	assert.Equal(t, events(t, store), 3)
}

func TestWhatCannotBeKept(t *testing.T) {
	in, store := newIntake(t)
	f, dir := folder(t, map[string]string{"large.md": strings.Repeat("a", 1001), "fits.md": strings.Repeat("a", 1000), "empty.md": ""})
	for name, want := range map[string]string{
		"large.md": "it has 1001 bytes, the limit is 1000 bytes", "gone.md": "it cannot be read: no such file or directory",
		"fits.md": "", "empty.md": "",
	} {
		first, err := in.Import(t.Context(), f, name)
		assert.NoError(t, err)
		again, err := in.Import(t.Context(), f, name)
		assert.NoError(t, err)
		assert.Equal(t, again.ID, first.ID)
		state, version, err := in.Contents.Load(t.Context(), first.ID)
		assert.NoError(t, err)
		assert.Equal(t, version, int64(1))
		assert.Equal(t, state.Status, content.Uploaded)
		assert.Equal(t, state.Upload.Problem, want)
		assert.Equal(t, state.Upload.Hash == "", want != "")
	}
	assert.Equal(t, events(t, store), 4)

	later := time.Now().Add(time.Hour)
	assert.NoError(t, os.Chtimes(filepath.Join(dir, "large.md"), later, later))
	receipt, err := in.Import(t.Context(), f, "large.md")
	assert.NoError(t, err)
	assert.False(t, receipt.Known, "a large file that was written again is another content")
}

func TestUpload(t *testing.T) {
	in, store := newIntake(t)
	first, err := in.Upload(t.Context(), "a.md", strings.NewReader("one"))
	assert.NoError(t, err)
	again, err := in.Upload(t.Context(), "a.md", strings.NewReader("one"))
	assert.NoError(t, err)
	assert.True(t, again.Known && again.ID == first.ID)

	large, err := in.Upload(t.Context(), "large.md", strings.NewReader(strings.Repeat("a", 2000)))
	assert.NoError(t, err)
	state, _, err := in.Contents.Load(t.Context(), large.ID)
	assert.NoError(t, err)
	assert.Equal(t, state.Upload.Problem, "it is larger than the limit of 1000 bytes")
	assert.Equal(t, events(t, store), 2)

	cable := errors.New("cable")
	_, err = in.Upload(t.Context(), "b.md", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(cable)))
	assert.ErrorIs(t, err, cable)
	assert.ErrorIs(t, err, blob.ErrSource)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = in.Upload(ctx, "c.md", strings.NewReader("x"))
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, events(t, store), 2, "an upload that broke off left a content")
}

func TestName(t *testing.T) {
	for given, want := range map[string]string{
		"a.md": "a.md", "../../etc/passwd": "passwd", `C:\Users\me\a.md`: "a.md", "": "unnamed", "/": "unnamed", "..": "..",
		"a\x00b\n.md": "ab .md", "a\xffb.md": "a\uFFFDb.md", "evil\u202egnp.exe": "evilgnp.exe",
		"<img src=x>.md": "<img src=x>.md", strings.Repeat("a", 300) + ".md": strings.Repeat("a", 199) + "….md", strings.Repeat("a", 300): strings.Repeat("a", 199) + "…",
	} {
		assert.Equal(t, intake.Name(given), want, "%q", given)
	}
}
