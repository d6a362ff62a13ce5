package testenv

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// debianPostgres matches the folders in which Debian and Ubuntu keep the
// server's programs. They are not in PATH there.
const debianPostgres = "/usr/lib/postgresql/*/bin"

// findPostgres returns the folder of PostgreSQL's server programs. The order
// is: what pg_config says, Debian's folders, newest version first, and PATH.
func findPostgres() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	var candidates []string
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		candidates = append(candidates, strings.TrimSpace(string(out)))
	}
	if dirs, err := filepath.Glob(debianPostgres); err == nil {
		slices.SortFunc(dirs, func(a, b string) int { return debianVersion(b) - debianVersion(a) })
		candidates = append(candidates, dirs...)
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		candidates = append(candidates, filepath.Dir(initdb))
	}

	for _, dir := range candidates {
		// pg_config also comes with the client's headers, without a server.
		if isFile(filepath.Join(dir, "initdb")) && isFile(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", &missingError{what: "no PostgreSQL server on this machine"}
}

// debianVersion returns the major version in a path like
// /usr/lib/postgresql/15/bin, or 0 if there is none ("9.6" is that old).
func debianVersion(dir string) int {
	version, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	if err != nil {
		return 0
	}
	return version
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
