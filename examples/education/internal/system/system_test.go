package system_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/readmodel"
	"github.com/parlance-go/parlance/examples/education/internal/service"
	"github.com/parlance-go/parlance/examples/education/internal/service/reading"
	"github.com/parlance-go/parlance/examples/education/internal/system"
	"github.com/parlance-go/parlance/examples/education/internal/testlog"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// fixture is a whole system, one of whose services is answered for by a test.
type fixture struct {
	*system.System

	stop func() error
	log  *testlog.Log
}

func open(t *testing.T, around func(service string, handler http.Handler) http.Handler) fixture {
	t.Helper()
	log := new(testlog.Log)
	s, err := system.Open(t.Context(), system.Options{
		Data: t.TempDir(), MaxSize: 1 << 20, Around: around, Logger: slog.New(slog.NewTextHandler(log, nil)),
		Calls: policy.Settings{
			Timeouts: retry.Timeouts{ServiceToService: 500 * time.Millisecond},
			Retry:    retry.Config{BaseDelay: time.Millisecond},
			Breaker:  breaker.Config{ResetTimeout: 20 * time.Millisecond, MaxResetTimeout: 50 * time.Millisecond},
		},
	})
	assert.NoError(t, err)
	_, stop := s.Start(t.Context())
	t.Cleanup(func() {
		assert.NoError(t, stop())
		assert.NoError(t, stop(), "once more")
		assert.NoError(t, s.Close())
		if t.Failed() {
			t.Log(log)
		}
	})
	assert.NoError(t, s.Ready(t.Context()))
	return fixture{s, stop, log}
}

// processing puts a handler in front of the processing service, which it is given.
func processing(handle func(w http.ResponseWriter, r *http.Request, next http.Handler)) func(string, http.Handler) http.Handler {
	return func(service string, next http.Handler) http.Handler {
		if service != reading.Name {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handle(w, r, next) })
	}
}

func (f fixture) upload(t *testing.T, name, text string) string {
	t.Helper()
	receipt, err := f.Intake.Upload(t.Context(), name, strings.NewReader(text))
	assert.NoError(t, err)
	return receipt.ID
}

// settled waits until a content is settled, and returns the types of its events.
func (f fixture) settled(t *testing.T, id string) []string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		detail, err := cqrs.Ask(t.Context(), f.Queries, readmodel.Get{ID: id})
		if err == nil && detail.Status.Settled() {
			break
		}
		assert.True(t, time.Now().Before(deadline), "%s is %s: %v", id, detail.Status, err)
		time.Sleep(5 * time.Millisecond) // there is nothing to wait on from outside
	}
	return f.types(t, id)
}

func (f fixture) types(t *testing.T, id string) (types []string) {
	t.Helper()
	for event, err := range f.Store.Read(t.Context(), content.Stream(id), 1) {
		assert.NoError(t, err)
		types = append(types, strings.TrimPrefix(event.Type, "Content"))
	}
	return types
}

func (f fixture) breaker() service.Status { return f.Services()[0] }

// await waits for something that happens on its own.
func await(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !happened(); {
		assert.True(t, time.Now().Before(deadline), "%s", what)
		time.Sleep(time.Millisecond) // there is nothing to wait on from outside
	}
}

var (
	published = []string{"Uploaded", "ProcessingStarted", "ProcessingCompleted", "Published"}
	failed    = []string{"Uploaded", "ProcessingStarted", "ProcessingFailed"}
)

// TestTheProcessingServiceStumbles: nobody notices but the log.
func TestTheProcessingServiceStumbles(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var keys []string
	f := open(t, processing(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		keys = append(keys, r.Header.Get(retry.IdempotencyKey))
		stumble := len(keys) <= 2
		mu.Unlock()
		if stumble {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	}))
	id := f.upload(t, "a.md", "# Title")
	assert.Equal(t, f.settled(t, id), published)
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, len(keys), 3)
	assert.Equal(t, keys[1:], []string{keys[0], keys[0]})
	assert.NotEqual(t, keys[0], "")
	log := f.log.String()
	assert.Equal(t, strings.Count(log, "call failed, will try again"), 2, "%s", log)
	assert.False(t, strings.Contains(log, "projection failed"), "the reaction had to be repeated: %s", log)
}

// hang never answers.
func hang(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// TestTheProcessingServiceIsDown for a while, in each of several ways: what is
// uploaded meanwhile waits, and none of it is lost or has failed for it.
func TestTheProcessingServiceIsDown(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]http.HandlerFunc{
		"no answer":   func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"unavailable": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"panic":       func(http.ResponseWriter, *http.Request) { panic("down") },
		"hangs":       hang,
		"not found":   http.NotFound,
		"a 422 of somebody else": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<h1>Unprocessable</h1>", http.StatusUnprocessableEntity)
		},
		"rubbish": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<h1>Welcome</h1>") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var isDown atomic.Bool
			var calls atomic.Int64
			isDown.Store(true)
			f := open(t, processing(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				calls.Add(1)
				if isDown.Load() {
					down(w, r)
					return
				}
				next.ServeHTTP(w, r)
			}))
			var good, bad []string
			for i := range 8 {
				good = append(good, f.upload(t, fmt.Sprintf("%d.md", i), fmt.Sprint("# Lesson ", i)))
			}
			for i := range 2 {
				bad = append(bad, f.upload(t, fmt.Sprintf("%d.png", i), "no picture"))
			}
			switch name {
			case "no answer", "unavailable", "panic", "hangs":
				await(t, "the breaker does not open", func() bool { return !f.breaker().Up() })
			default: // the service answers, though of no use
				await(t, "nothing is tried again", func() bool { return calls.Load() > 10 })
			}
			for _, id := range append(good, bad...) {
				types := f.types(t, id)
				assert.Equal(t, types, published[:len(types)], "it waits")
				assert.True(t, len(types) <= 2, "%v", types)
			}
			isDown.Store(false)
			for _, id := range good {
				assert.Equal(t, f.settled(t, id), published)
			}
			for _, id := range bad {
				assert.Equal(t, f.settled(t, id), failed, "a rejection is an answer")
			}
			await(t, "the breaker does not close", func() bool { return f.breaker().Up() })
		})
	}
}

// TestStopWhileTheProcessingServiceHangs: the call that is under way ends with its
// time, and what it was for comes next time.
func TestStopWhileTheProcessingServiceHangs(t *testing.T) {
	t.Parallel()
	called := make(chan struct{}, 100)
	f := open(t, processing(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		called <- struct{}{}
		hang(w, r)
	}))
	id := f.upload(t, "a.md", "# Title")
	<-called
	// The fixture stops the system, and wants that to work.
	assert.Equal(t, f.types(t, id), published[:2])
}

// TestACallEndsBeforeTheServices: what a worker has begun when the system stops, it
// brings to its end, for which it needs the service.
func TestACallEndsBeforeTheServices(t *testing.T) {
	t.Parallel()
	called, goOn := make(chan struct{}), make(chan struct{})
	f := open(t, processing(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		close(called)
		<-goOn
		next.ServeHTTP(w, r)
	}))
	id := f.upload(t, "a.md", "# Title")
	<-called
	time.AfterFunc(50*time.Millisecond, func() { close(goOn) }) // time for stop to go wrong
	assert.NoError(t, f.stop())
	assert.Equal(t, f.types(t, id), published)
}
