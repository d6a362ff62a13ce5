// Package assert holds the few assertions the tests of this repository share.
//
// It exists so that the tests of a package need nothing beyond the standard
// library: one import of an assertion library in a test adds that library, and
// all it depends on, to the module graph of everyone who uses the package.
//
// An assertion that fails stops the test at once, so it must be called from
// the goroutine that runs the test. The condition is stated by the function's
// name; an optional explanation, given as a format and its arguments, says
// what it means for the code under test:
//
//	assert.NoError(t, err)
//	assert.Equal(t, got, want, "balance after %d deposits", n)
package assert

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// Equal stops the test unless got and want are deeply equal, as
// [reflect.DeepEqual] defines it. Sharing one type parameter makes comparing an
// int with an int64 a compile error instead of a test that always fails.
func Equal[T any](t testing.TB, got, want T, explain ...any) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	gotText, wantText := show(got), show(want)
	if gotText == wantText { // such as a nil and an empty slice
		gotText, wantText = fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", want)
	}
	fail(t, explain, "got:  %s\nwant: %s", gotText, wantText)
}

// NotEqual stops the test if got and unwanted are deeply equal.
func NotEqual[T any](t testing.TB, got, unwanted T, explain ...any) {
	t.Helper()
	if reflect.DeepEqual(got, unwanted) {
		fail(t, explain, "got the one value that is wrong: %s", show(got))
	}
}

// True stops the test unless the condition holds. Its failure can only say
// "condition is false", so explain what the condition means.
func True(t testing.TB, condition bool, explain ...any) {
	t.Helper()
	if !condition {
		fail(t, explain, "condition is false")
	}
}

// False stops the test if the condition holds.
func False(t testing.TB, condition bool, explain ...any) {
	t.Helper()
	if condition {
		fail(t, explain, "condition is true")
	}
}

// NoError stops the test if err is not nil.
func NoError(t testing.TB, err error, explain ...any) {
	t.Helper()
	if err != nil {
		fail(t, explain, "unexpected error: %s", showError(err))
	}
}

// Error stops the test if err is nil. Prefer [ErrorIs] or [ErrorAs], which
// notice when the wrong thing fails.
func Error(t testing.TB, err error, explain ...any) {
	t.Helper()
	if err == nil {
		fail(t, explain, "no error, want one")
	}
}

// ErrorIs stops the test unless err matches target, as [errors.Is] defines it.
func ErrorIs(t testing.TB, err, target error, explain ...any) {
	t.Helper()
	if !errors.Is(err, target) {
		fail(t, explain, "error: %s\nwant one that matches: %s", showError(err), showError(target))
	}
}

// ErrorAs returns the first error in err's tree that is an E, and stops the
// test if there is none:
//
//	conflict := assert.ErrorAs[*eventstore.ConflictError](t, err)
func ErrorAs[E error](t testing.TB, err error, explain ...any) E {
	t.Helper()
	found, ok := errors.AsType[E](err)
	if !ok {
		fail(t, explain, "error: %s\nwant one of type: %s", showError(err), reflect.TypeFor[E]())
	}
	return found
}

// Contains stops the test unless s contains substr.
func Contains(t testing.TB, s, substr string, explain ...any) {
	t.Helper()
	if !strings.Contains(s, substr) {
		fail(t, explain, "text: %s\nlacks: %q", show(s), substr)
	}
}

// Panics calls f and returns the value it panicked with. It stops the test if
// f returns.
func Panics(t testing.TB, f func(), explain ...any) (value any) {
	t.Helper()
	panicked := true
	func() {
		defer func() {
			if panicked {
				value = recover()
			}
		}()
		f()
		panicked = false
	}()
	if !panicked {
		fail(t, explain, "no panic, want one")
	}
	return value
}

// fail reports a failed assertion: the explanation, if any, and the facts.
func fail(t testing.TB, explain []any, format string, args ...any) {
	t.Helper()
	facts := fmt.Sprintf(format, args...)
	if len(explain) == 0 {
		t.Fatalf("\n%s", facts)
	}
	text := fmt.Sprint(explain[0])
	if first, ok := explain[0].(string); ok && len(explain) > 1 {
		text = fmt.Sprintf(first, explain[1:]...)
	}
	t.Fatalf("%s\n%s", text, facts)
}

// show renders a value for people: strings are quoted, so that spaces can be
// seen, and other values are followed by their type, because an interface may
// hold an int where an int64 is wanted.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "<nil>"
	case string:
		return fmt.Sprintf("%q", v)
	case []byte:
		return fmt.Sprintf("%q ([]byte)", v)
	case error:
		return showError(v)
	case fmt.Stringer:
		return fmt.Sprintf("%s (%#v)", v, v)
	default:
		return fmt.Sprintf("%+v (%T)", v, v)
	}
}

func showError(err error) string {
	if err == nil {
		return "<nil>"
	}
	return fmt.Sprintf("%v (%T)", err, err)
}
