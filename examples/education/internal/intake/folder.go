package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/parlance-go/parlance/examples/education/internal/blob"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/extract"
)

// Folder is one whose files are taken in. Nothing outside of it is read, also
// not through links.
type Folder struct {
	root *os.Root
	skip string // relative to root
}

// OpenFolder opens a folder. What is in skip, such as the program's own data,
// is left out.
func OpenFolder(dir, skip string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("intake: %w", err)
	}
	f := &Folder{root: root}
	if from, err := filepath.Abs(dir); err == nil {
		if to, err := filepath.Abs(skip); err == nil {
			if f.skip, err = filepath.Rel(from, to); err != nil || f.skip == "." {
				f.skip = ""
			}
			f.skip = filepath.ToSlash(f.skip)
		}
	}
	return f, nil
}

// Close closes the folder.
func (f *Folder) Close() error { return f.root.Close() }

// Everything is the choice of every file.
func Everything(string) bool { return true }

// Documentation is the choice of what documents a source tree: Markdown
// anywhere, and all that can be read below docs.
func Documentation(file string) bool {
	kind := extract.ByName(file)
	return kind == extract.Markdown || kind != extract.Unknown && strings.HasPrefix(file, "docs/")
}

// Files returns the files that a choice wants, in the order of their names.
// Hidden files and folders, and the folders node_modules, testdata and vendor,
// are left out, and so are links that lead out of the folder or to other
// folders.
func (f *Folder) Files(ctx context.Context, want func(file string) bool) ([]string, error) {
	var files []string
	err := fs.WalkDir(f.root.FS(), ".", func(file string, entry fs.DirEntry, err error) error {
		switch name := path.Base(file); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case file == "." && err != nil:
			return err
		case file == ".":
			return nil
		case err != nil: // a folder that cannot be read has no files
			return fs.SkipDir
		case strings.HasPrefix(name, "."), f.skip != "" && file == f.skip:
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			if name == "node_modules" || name == "testdata" || name == "vendor" {
				return fs.SkipDir
			}
			return nil
		case f.isFile(file, entry) && want(file):
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("intake: %w", err)
	}
	return files, nil
}

func (f *Folder) isFile(file string, entry fs.DirEntry) bool {
	if entry.Type()&fs.ModeSymlink == 0 {
		return entry.Type().IsRegular()
	}
	info, err := f.root.Stat(file)
	return err == nil && info.Mode().IsRegular()
}

// Import takes in a file of a folder. A file that is too large or cannot be read
// makes a content that fails. The same file is taken in once; a changed one is
// another content.
func (in *Intake) Import(ctx context.Context, folder *Folder, name string) (Receipt, error) {
	file, err := folder.root.Open(name)
	if err != nil {
		return in.unreadable(ctx, name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return in.unreadable(ctx, name, err)
	}
	if info.Size() > in.MaxSize {
		fingerprint := fmt.Sprint(info.Size(), info.ModTime().UnixNano())
		return in.refuse(ctx, name, name, info.Size(), fingerprint, extract.TooLarge(info.Size(), in.MaxSize))
	}
	kept, receipt, err := in.keep(ctx, name, file)
	switch {
	case err == nil && receipt.Known:
		return receipt, nil
	case errors.Is(err, blob.ErrTooLarge): // it has grown since
		return in.refuse(ctx, name, name, 0, "", extract.TooLarge(0, in.MaxSize))
	case errors.Is(err, blob.ErrSource):
		return in.unreadable(ctx, name, err)
	case err != nil:
		return Receipt{}, err
	}
	return in.take(ctx, name, name, name, kept)
}

// keep keeps the bytes of a file, unless they are known: then it only reads
// them, which is much faster.
func (in *Intake) keep(ctx context.Context, name string, file io.ReadSeeker) (blob.Blob, Receipt, error) {
	seen, err := blob.Hash(ctx, file, in.MaxSize)
	if err != nil {
		return blob.Blob{}, Receipt{}, err
	}
	receipt, err := in.known(ctx, content.ID(name, seen.Hash))
	if err != nil || receipt.Known {
		return seen, receipt, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return blob.Blob{}, Receipt{}, fmt.Errorf("%w: %w", blob.ErrSource, err)
	}
	kept, err := in.Blobs.Put(ctx, file, in.MaxSize)
	return kept, Receipt{}, err
}

// unreadable says why a file cannot be read, without the path that the error
// begins with.
func (in *Intake) unreadable(ctx context.Context, name string, err error) (Receipt, error) {
	if ctx.Err() != nil {
		return Receipt{}, context.Cause(ctx)
	}
	reason := err
	var failed *fs.PathError
	if errors.As(err, &failed) {
		reason = failed.Err
	}
	return in.refuse(ctx, name, name, 0, "", fmt.Errorf("it cannot be read: %w", reason))
}
