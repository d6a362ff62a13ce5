package testenv_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// childVar names the environment variable that makes a process of this test
// binary a child; its value says how that child ends.
const childVar = "TESTENV_TEST_CHILD"

// TestMain runs the tests, or plays the part of another test process if
// [startChild] started this one.
func TestMain(m *testing.M) {
	if os.Getenv(childVar) == "without-main" {
		os.Exit(m.Run())
	}
	testenv.Main(m)
}

// ending is a testing.TB that records how the test ended.
type ending struct {
	testing.TB

	how string
}

func (e *ending) Helper() {}

func (e *ending) Skip(args ...any) {
	e.how = "skip: " + fmt.Sprint(args...)
	runtime.Goexit()
}

func (e *ending) Fatal(args ...any) {
	e.how = "fatal: " + fmt.Sprint(args...)
	runtime.Goexit()
}

// end returns how a test with this body ends.
func end(body func(t testing.TB)) string {
	e := &ending{how: "return"}
	done := make(chan struct{})
	go func() {
		defer close(done)
		body(e)
	}()
	<-done
	return e.how
}

func TestUnavailable(t *testing.T) {
	without := func(t testing.TB) { testenv.Unavailable(t, "no %s here", "tea") }

	t.Run("skips", func(t *testing.T) {
		t.Setenv("REQUIRE_BACKENDS", "")
		assert.Equal(t, end(without), "skip: testenv: no tea here")
	})
	t.Run("fails where nothing may be missing", func(t *testing.T) {
		t.Setenv("REQUIRE_BACKENDS", "1")
		assert.Equal(t, end(without), "fatal: testenv: no tea here")
	})
}

func TestProgram(t *testing.T) {
	t.Run("found", func(t *testing.T) {
		path := testenv.Program(t, "go", "golang-go")
		_, err := os.Stat(path)
		assert.NoError(t, err)
	})
	t.Run("names the package to install", func(t *testing.T) {
		t.Setenv("REQUIRE_BACKENDS", "")
		how := end(func(t testing.TB) { testenv.Program(t, "no-such-program", "some-package") })
		assert.Contains(t, how, "skip: ")
		assert.Contains(t, how, "apt-get install some-package")
	})
}
