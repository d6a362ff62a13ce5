//go:build unix

package blob

import (
	"errors"
	"os"
)

// syncFolder flushes a folder, so that a file that was renamed into it is still
// there after the power went out.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
