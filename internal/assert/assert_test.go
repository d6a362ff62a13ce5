package assert_test

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
)

// recorder is a testing.TB that keeps the failure instead of failing.
type recorder struct {
	testing.TB

	failure string
	helpers int
}

func (r *recorder) Helper() { r.helpers++ }

func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// run returns what the assertion reported, or "" if it passed.
func run(t *testing.T, assertion func(t testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		assertion(r)
	}()
	<-done
	if r.failure != "" && r.helpers < 2 {
		t.Errorf("failure would point into package assert: Helper called %d times", r.helpers)
	}
	return r.failure
}

func TestPasses(t *testing.T) {
	err := fmt.Errorf("open: %w", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist})
	for name, assertion := range map[string]func(t testing.TB){
		"Equal":        func(t testing.TB) { assert.Equal(t, []int{1, 2}, []int{1, 2}) },
		"NotEqual":     func(t testing.TB) { assert.NotEqual(t, 1, 2) },
		"True":         func(t testing.TB) { assert.True(t, true) },
		"False":        func(t testing.TB) { assert.False(t, false) },
		"NoError":      func(t testing.TB) { assert.NoError(t, nil) },
		"Error":        func(t testing.TB) { assert.Error(t, err) },
		"ErrorIs":      func(t testing.TB) { assert.ErrorIs(t, err, fs.ErrNotExist) },
		"ErrorIs, nil": func(t testing.TB) { assert.ErrorIs(t, nil, nil) },
		"ErrorAs": func(t testing.TB) {
			assert.Equal(t, assert.ErrorAs[*fs.PathError](t, err).Path, "x")
		},
		"Contains": func(t testing.TB) { assert.Contains(t, "abc", "b") },
		"Panics": func(t testing.TB) {
			assert.Equal(t, assert.Panics(t, func() { panic("boom") }), any("boom"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if failure := run(t, assertion); failure != "" {
				t.Errorf("failed: %s", failure)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	boom := errors.New("boom")
	for name, test := range map[string]struct {
		assertion func(t testing.TB)
		want      []string
	}{
		"Equal": {
			func(t testing.TB) { assert.Equal(t, "a b", "a  b", "title of %s", "page") },
			[]string{"title of page", `got:  "a b"`, `want: "a  b"`},
		},
		"Equal, same text but another type": {
			func(t testing.TB) { assert.Equal[any](t, 1, int64(1)) },
			[]string{"1 (int)", "1 (int64)"},
		},
		"Equal, stringer": {
			func(t testing.TB) { assert.Equal(t, time.Second, time.Minute) },
			[]string{"1s", "1m0s"},
		},
		"Equal, nil": {
			func(t testing.TB) { assert.Equal[any](t, nil, "") },
			[]string{"got:  <nil>", `want: ""`},
		},
		"Equal, nil and empty slice": {
			func(t testing.TB) { assert.Equal(t, nil, []int{}) },
			[]string{"got:  []int(nil)", "want: []int{}"},
		},
		"NotEqual": {func(t testing.TB) { assert.NotEqual(t, 7, 7) }, []string{"7 (int)"}},
		"True":     {func(t testing.TB) { assert.True(t, false, "drained") }, []string{"drained", "false"}},
		"False":    {func(t testing.TB) { assert.False(t, true, "100%") }, []string{"100%", "true"}},
		"NoError":  {func(t testing.TB) { assert.NoError(t, boom) }, []string{"boom", "*errors.errorString"}},
		"Error":    {func(t testing.TB) { assert.Error(t, nil) }, []string{"no error"}},
		"ErrorIs":  {func(t testing.TB) { assert.ErrorIs(t, boom, fs.ErrExist) }, []string{"boom", fs.ErrExist.Error()}},
		"ErrorIs, no error": {
			func(t testing.TB) { assert.ErrorIs(t, nil, boom) },
			[]string{"error: <nil>", "boom"},
		},
		"ErrorAs": {
			func(t testing.TB) { assert.ErrorAs[*fs.PathError](t, boom) },
			[]string{"boom", "*fs.PathError"},
		},
		"Contains": {func(t testing.TB) { assert.Contains(t, "abc", "x") }, []string{`"abc"`, `"x"`}},
		"Panics":   {func(t testing.TB) { assert.Panics(t, func() {}) }, []string{"no panic"}},
	} {
		t.Run(name, func(t *testing.T) {
			failure := run(t, test.assertion)
			if failure == "" {
				t.Fatal("passed, want a failure")
			}
			for _, want := range test.want {
				if !strings.Contains(failure, want) {
					t.Errorf("failure lacks %q:\n%s", want, failure)
				}
			}
		})
	}
}
