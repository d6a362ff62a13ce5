// Package blob keeps bytes in a folder, under the name of their SHA-256.
//
// What has a name is complete and on the disk: bytes are written to a temporary
// file, flushed, and renamed. A process that dies leaves at most a temporary
// file, which the next Open removes, or bytes that nobody refers to, which the
// next Put of the same bytes finds in place.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrTooLarge is returned for more bytes than the limit.
var ErrTooLarge = errors.New("blob: too large")

// ErrSource is matched by an error of the reader that bytes come from.
var ErrSource = errors.New("blob: cannot read")

// ErrGone is returned for bytes that are not there, or are no longer what they
// were.
var ErrGone = errors.New("blob: not there")

// Folder keeps blobs. It is safe for concurrent use by one process.
type Folder struct{ path, temporary string }

// Open opens a folder, and makes it if it is not there.
func Open(path string) (*Folder, error) {
	f := &Folder{path: path, temporary: filepath.Join(path, "tmp")}
	if err := os.RemoveAll(f.temporary); err != nil {
		return nil, fmt.Errorf("blob: open %q: %w", path, err)
	}
	if err := os.MkdirAll(f.temporary, 0o700); err != nil {
		return nil, fmt.Errorf("blob: open %q: %w", path, err)
	}
	return f, nil
}

// Blob names bytes.
type Blob struct {
	// Hash is the SHA-256 of the bytes in hexadecimal.
	Hash string
	// Size is how many there are.
	Size int64
}

// Hash names the bytes of a reader without keeping them. The error matches
// ErrTooLarge if there are more than limit.
func Hash(ctx context.Context, r io.Reader, limit int64) (Blob, error) {
	return copyHashed(ctx, io.Discard, r, limit)
}

// Put keeps the bytes of a reader. It returns once they are on the disk; on an
// error nothing is kept. The error matches ErrTooLarge if there are more than
// limit.
func (f *Folder) Put(ctx context.Context, r io.Reader, limit int64) (_ Blob, err error) {
	temporary, err := os.CreateTemp(f.temporary, "put-")
	if err != nil {
		return Blob{}, fmt.Errorf("blob: put: %w", err)
	}
	defer func() {
		// After the rename there is nothing left under this name.
		_ = temporary.Close()
		_ = os.Remove(temporary.Name())
	}()
	b, err := copyHashed(ctx, temporary, r, limit)
	if err != nil {
		return Blob{}, err
	}
	if err := f.name(temporary, b); err != nil {
		return Blob{}, fmt.Errorf("blob: put: %w", err)
	}
	return b, nil
}

// name gives a written file its final name, durably.
func (f *Folder) name(temporary *os.File, b Blob) error {
	final := f.file(b.Hash)
	if info, err := os.Stat(final); err != nil || info.Size() != b.Size {
		if err := temporary.Sync(); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(final), 0o700); err != nil {
			return err
		}
		if err := os.Rename(temporary.Name(), final); err != nil {
			return err
		}
	}
	// Also for a file that was there: whoever put it may have died before this.
	return errors.Join(syncFolder(filepath.Dir(final)), syncFolder(f.path))
}

// Get opens the bytes of a hash. The error matches ErrGone if they are not
// there.
func (f *Folder) Get(hash string) (*os.File, error) {
	if raw, err := hex.DecodeString(hash); err != nil || len(raw) != sha256.Size {
		return nil, fmt.Errorf("%w: %.80q is no hash", ErrGone, hash)
	}
	file, err := os.Open(f.file(hash))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s", ErrGone, hash)
	case err != nil:
		return nil, fmt.Errorf("blob: get: %w", err)
	}
	return file, nil
}

func (f *Folder) file(hash string) string { return filepath.Join(f.path, hash[:2], hash) }

func copyHashed(ctx context.Context, w io.Writer, r io.Reader, limit int64) (Blob, error) {
	hash := sha256.New()
	source := &bounded{ctx: ctx, r: r, left: limit}
	size, err := io.Copy(io.MultiWriter(w, hash), source)
	switch {
	case err != nil && source.err != nil:
		return Blob{}, source.err
	case err != nil:
		return Blob{}, fmt.Errorf("blob: write: %w", err)
	}
	return Blob{Hash: hex.EncodeToString(hash.Sum(nil)), Size: size}, nil
}

// bounded reads until there is more than allowed, or nobody waits any longer.
type bounded struct {
	ctx  context.Context //nolint:containedctx // lives as long as one call
	r    io.Reader
	left int64
	err  error
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.ctx.Err() != nil {
		b.err = context.Cause(b.ctx)
		return 0, b.err
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		b.err = ErrTooLarge
		return 0, b.err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = fmt.Errorf("%w: %w", ErrSource, err)
		return n, b.err
	}
	return n, err
}
