package sqlite

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// checkPath refuses what would not name one file that all connections share.
func checkPath(path string) error {
	switch {
	case path == "":
		return fmt.Errorf("no path given")
	case path == ":memory:":
		return fmt.Errorf("a database in memory cannot be shared by several connections: " +
			"use a file in a temporary folder, or eventstore.NewMemory")
	case strings.HasPrefix(path, "file:"):
		return fmt.Errorf("want a path, not a URI; a file of this name is ./%s", path)
	case strings.IndexByte(path, 0) >= 0:
		return fmt.Errorf("a path cannot hold a NUL byte")
	}
	return nil
}

// dsn names the file as a URI, in which no byte of the path can be taken for
// anything else, with the settings that must hold for every connection.
func dsn(path string, busy time.Duration, reader bool) string {
	path = filepath.ToSlash(path)
	if filepath.VolumeName(path) != "" {
		path = "/" + path
	}
	settings := url.Values{
		"_busy_timeout": {fmt.Sprint(busy.Milliseconds())},
		"_error_rc":     {"1"}, // else a missing folder is said to be "out of memory"
		"_foreign_keys": {"on"},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_txlock":       {"immediate"},
		"_pragma":       {"secure_delete(on)", "journal_size_limit(67108864)"},
	}
	if reader {
		settings.Set("_query_only", "on")
		settings.Set("_txlock", "deferred")
	}
	// The authority is empty, so that a path beginning with // stays a path.
	prefix := "file:"
	if strings.HasPrefix(path, "/") {
		prefix = "file://"
	}
	return prefix + escapePath(path) + "?" + settings.Encode()
}

func escapePath(path string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("/-_.~:", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}
