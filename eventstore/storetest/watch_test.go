package storetest_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/parlance-go/parlance/eventstore/storetest"
)

// watched is a testing.TB that remembers failures instead of failing.
type watched struct {
	testing.TB
	mu      sync.Mutex
	failed  bool
	words   strings.Builder
	skipped string
}

// watch runs the cases of a name on a driver, and returns what became of them.
func watch(t *testing.T, h storetest.Harness, name string) *watched {
	t.Helper()
	w := &watched{TB: t}
	done := make(chan int, 1)
	go func() {
		ran := -1
		defer func() { done <- ran }()
		ran = storetest.Check(w, h, name)
	}()
	if ran := <-done; ran == 0 {
		t.Errorf("there is no case or group named %q", name)
	}
	return w
}

func (w *watched) fail(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = true
	w.words.WriteString(text)
	w.words.WriteByte('\n')
}

func (w *watched) Error(args ...any)                 { w.fail(fmt.Sprint(args...)) }
func (w *watched) Errorf(format string, args ...any) { w.fail(fmt.Sprintf(format, args...)) }
func (w *watched) Fail()                             { w.fail("") }
func (w *watched) FailNow()                          { w.Fail(); runtime.Goexit() }
func (w *watched) Fatal(args ...any)                 { w.Error(args...); runtime.Goexit() }
func (w *watched) Fatalf(format string, args ...any) { w.Errorf(format, args...); runtime.Goexit() }
func (w *watched) Logf(string, ...any)               {}
func (w *watched) Failed() bool                      { w.mu.Lock(); defer w.mu.Unlock(); return w.failed }

func (w *watched) Skip(args ...any) {
	w.mu.Lock()
	w.skipped = fmt.Sprint(args...)
	w.mu.Unlock()
	runtime.Goexit()
}
