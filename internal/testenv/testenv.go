package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
)

// mainCalled tells whether somebody will stop the servers of this process.
var mainCalled atomic.Bool

// Main runs the tests of a package, stops the servers they started and exits.
// A package whose tests call [Postgres] calls it from TestMain:
//
//	func TestMain(m *testing.M) { testenv.Main(m) }
func Main(m *testing.M) {
	mainCalled.Store(true)
	code := m.Run()
	if err := stopSharedPostgres(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Unavailable ends a test that needs something the machine does not have: it
// skips it, or fails it if REQUIRE_BACKENDS=1 says that nothing may be missing.
// The message should name what to install.
func Unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	message := "testenv: " + fmt.Sprintf(format, args...)
	if os.Getenv("REQUIRE_BACKENDS") == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
}

// Program returns the path of a program, such as "chromium", that the Debian
// package of the given name installs. Without the program the test ends as
// [Unavailable] says.
func Program(t testing.TB, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Unavailable(t, "%v; install the package %s (Debian: apt-get install %s)", err, debianPackage, debianPackage)
	}
	return path
}
