package blob_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/parlance-go/parlance/examples/education/internal/blob"
	"github.com/parlance-go/parlance/internal/assert"
)

func open(t *testing.T) (*blob.Folder, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "blobs")
	folder, err := blob.Open(path)
	assert.NoError(t, err)
	return folder, path
}

// files returns how many files there are in a folder.
func files(t *testing.T, path string) int {
	t.Helper()
	n := 0
	assert.NoError(t, filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	}))
	return n
}

func TestPutAndGet(t *testing.T) {
	folder, path := open(t)
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	for range 2 {
		got, err := folder.Put(t.Context(), strings.NewReader("abc"), 3)
		assert.NoError(t, err)
		assert.Equal(t, got, blob.Blob{Hash: abc, Size: 3})
	}
	assert.Equal(t, files(t, path), 1)
	hashed, err := blob.Hash(t.Context(), strings.NewReader("abc"), 3)
	assert.NoError(t, err)
	assert.Equal(t, hashed.Hash, abc)

	file, err := folder.Get(abc)
	assert.NoError(t, err)
	defer file.Close()
	content, err := io.ReadAll(file)
	assert.NoError(t, err)
	assert.Equal(t, string(content), "abc")
}

func TestNothingIsLeftOfWhatFails(t *testing.T) {
	folder, path := open(t)
	broken := errors.New("cable")
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	for name, test := range map[string]struct {
		ctx  context.Context
		r    io.Reader
		want error
	}{
		"too large":    {t.Context(), strings.NewReader("abcd"), blob.ErrTooLarge},
		"reader fails": {t.Context(), io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(broken)), broken},
		"cancelled":    {cancelled, strings.NewReader("a"), broken},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := folder.Put(test.ctx, test.r, 3)
			assert.ErrorIs(t, err, test.want)
			assert.Equal(t, files(t, path), 0)
		})
	}
}

func TestOpenSweepsWhatACrashLeft(t *testing.T) {
	_, path := open(t)
	assert.NoError(t, os.WriteFile(filepath.Join(path, "tmp", "put-1"), []byte("half"), 0o600))
	_, err := blob.Open(path)
	assert.NoError(t, err)
	assert.Equal(t, files(t, path), 0)
}

func TestADamagedBlobIsReplaced(t *testing.T) {
	folder, path := open(t)
	got, err := folder.Put(t.Context(), strings.NewReader("whole"), 10)
	assert.NoError(t, err)
	file := filepath.Join(path, got.Hash[:2], got.Hash)
	assert.NoError(t, os.Truncate(file, 1))
	_, err = folder.Put(t.Context(), strings.NewReader("whole"), 10)
	assert.NoError(t, err)
	content, err := os.ReadFile(file)
	assert.NoError(t, err)
	assert.Equal(t, string(content), "whole")
}

func TestGetRefusesWhatIsNoHash(t *testing.T) {
	folder, _ := open(t)
	for _, hash := range []string{"", "..", "../../etc/passwd", strings.Repeat("a", 64), strings.Repeat("z", 64)} {
		_, err := folder.Get(hash)
		assert.ErrorIs(t, err, blob.ErrGone)
	}
}

func TestPutTheSameAtOnce(t *testing.T) {
	folder, path := open(t)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if _, err := folder.Put(t.Context(), strings.NewReader("same"), 10); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	assert.Equal(t, files(t, path), 1)
}
