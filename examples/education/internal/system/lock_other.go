//go:build !unix

package system

import (
	"errors"
	"fmt"
	"os"
)

// lockFile takes a lock by a file that no two programs can have open to remove
// it: here the system refuses to remove a file that somebody has open.
func lockFile(path string) (unlock func(), err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: another education program is using it; choose another folder with -data, or end that program", path)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return func() { _ = file.Close() }, nil
}
