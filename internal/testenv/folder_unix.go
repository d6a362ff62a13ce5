//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	folderPrefix = "parlance-pg-"
	// maxBase keeps the path of the server's socket, which adds at most 50
	// bytes to it, below the 100 that every Unix accepts.
	maxBase = 50
)

// A folder holds all that a private server has on disk. The process that uses
// it holds a lock on a file in it, which the kernel releases however the
// process ends: a folder whose lock is free is garbage.
type folder struct {
	dir  string
	lock *os.File
}

func (f *folder) data() string   { return filepath.Join(f.dir, "data") }
func (f *folder) socket() string { return filepath.Join(f.dir, "run") }
func (f *folder) log() string    { return filepath.Join(f.dir, "postgres.log") }

// newFolder makes a folder under base whose data and socket belong to the
// account.
func newFolder(base string, account account) (_ *folder, err error) {
	// Under its final name a folder is always locked, so that a sweep never
	// takes one that is just being made.
	dir, err := os.MkdirTemp(base, "parlance-new-")
	if err != nil {
		return nil, err
	}
	f := &folder{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.remove())
		}
	}()
	if f.lock, err = lockFolder(dir); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	for _, sub := range []string{f.data(), f.socket()} {
		if err := os.Mkdir(sub, 0o700); err != nil {
			return nil, err
		}
		if err := account.own(sub); err != nil {
			return nil, err
		}
	}

	unique := strings.TrimPrefix(filepath.Base(dir), "parlance-new-")
	final := filepath.Join(base, fmt.Sprintf("%s%d-%s", folderPrefix, os.Getpid(), unique))
	if err := os.Rename(dir, final); err != nil {
		return nil, err
	}
	f.dir = final
	return f, nil
}

func (f *folder) remove() error {
	err := os.RemoveAll(f.dir)
	if f.lock != nil {
		err = errors.Join(err, f.lock.Close())
	}
	return err
}

// sweep removes the folders of processes that are gone, after calling release
// on each. What it cannot remove is left to the next sweep.
func sweep(base string, release func(dir string)) {
	dirs, err := filepath.Glob(filepath.Join(base, folderPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		if !ownedByUs(dir) {
			continue
		}
		lock, err := lockFolder(dir)
		if err != nil {
			continue // in use
		}
		release(dir)
		_ = os.RemoveAll(dir)
		_ = lock.Close()
	}
}

// lockFolder takes the folder's lock, or fails if somebody holds it. It makes
// the lock's file if a sweep that was cut short has removed it already.
func lockFolder(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func ownedByUs(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// tempBase returns a folder for temporary files whose name is short enough for
// a socket and which the account can reach.
func tempBase(account account) (string, error) {
	for _, base := range []string{os.TempDir(), "/tmp"} {
		if len(base) <= maxBase && (account.credential == nil || openToAll(base)) {
			return base, nil
		}
	}
	return "", fmt.Errorf("testenv: %s is longer than %d bytes or closed to %s, and so is /tmp",
		os.TempDir(), maxBase, superuser)
}

// openToAll tells whether every user may enter the folder and all above it.
func openToAll(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

// An account is the user that servers run as. Its zero value is ourselves.
type account struct{ credential *syscall.Credential }

// serverAccount returns the account for this process's servers. PostgreSQL
// refuses to run as root, so root starts them as the user that its package made.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return account{}, &missingError{what: "PostgreSQL does not run as root, and there is no user postgres"}
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return account{}, fmt.Errorf("testenv: user postgres: %w", err)
	}
	return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// own gives a file or folder to the account.
func (a account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(path, int(a.credential.Uid), int(a.credential.Gid))
}
