package web_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
)

// failing makes the handler of one service fail as long as it is told to.
func failing(name string, down *atomic.Bool) func(string, http.Handler) http.Handler {
	return func(service string, next http.Handler) http.Handler {
		if service != name {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if down.Load() {
				panic(http.ErrAbortHandler) // the connection breaks off
			}
			next.ServeHTTP(w, r)
		})
	}
}

// health returns what /api/health says of a service.
func (s *site) health(t *testing.T, name string) (status, breaker string) {
	t.Helper()
	var health struct {
		Status   string
		Services []struct{ Name, Breaker string }
	}
	assert.NoError(t, json.Unmarshal([]byte(s.get(t, "/api/health")), &health))
	for _, service := range health.Services {
		if service.Name == name {
			return health.Status, service.Breaker
		}
	}
	t.Fatal("no service ", name)
	return "", ""
}

func TestTheSearchServiceIsDown(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	s := newSiteAround(t, failing("search", &down))
	id := s.upload(t, "leaf.md", "# Leaves")
	assert.Contains(t, s.get(t, "/"), "search closed</span>")
	down.Store(true)
	kind := regexp.MustCompile(`Search is not available at the moment. Try again in (a|[0-9]+) seconds?.`)
	for range 4 { // by the breaker too, in the end
		status, text, header := s.do(t, http.MethodGet, "/api/contents?q=leaves", nil, nil)
		assert.Equal(t, status, http.StatusServiceUnavailable)
		assert.True(t, kind.MatchString(text), "%s", text)
		assert.NoError(t, json.Unmarshal([]byte(text), new(struct{ Error string })))
		seconds, err := strconv.Atoi(header.Get("Retry-After"))
		assert.NoError(t, err)
		assert.True(t, 1 <= seconds && seconds <= 10, "%d", seconds)

		status, text, header = s.do(t, http.MethodGet, "/?q=leaves&type=text/markdown&status=published", nil, nil)
		assert.Equal(t, status, http.StatusServiceUnavailable)
		assert.True(t, kind.MatchString(text), "%s", text)
		assert.NotEqual(t, header.Get("Retry-After"), "")
		for _, want := range []string{
			`value="leaves"`, `<option value="text/markdown" selected>Markdown</option>`,
			`<option value="published" selected>published</option>`, `<form class="upload"`, "data-pending",
		} {
			assert.Contains(t, text, want)
		}
	}
	status, breaker := s.health(t, "search")
	assert.Equal(t, status, "degraded")
	assert.NotEqual(t, breaker, "closed") // it may be half-open by now
	assert.False(t, strings.Contains(s.get(t, "/contents/"+id), "search closed"), "the foot of the page is wrong")
	assert.True(t, strings.Count(s.log.String(), "call failed") < 8, "each rejection is logged: %s", s.log)

	// What does not need the service goes on.
	assert.Contains(t, s.get(t, "/contents/"+id), "<h1>Leaves</h1>")
	other := s.upload(t, "root.md", "# Roots")
	assert.Contains(t, s.get(t, "/contents/"+other), "<h1>Roots</h1>")

	down.Store(false)
	for deadline := time.Now().Add(20 * time.Second); ; {
		status, text, _ := s.do(t, http.MethodGet, "/?q=roots", nil, nil)
		if status == http.StatusOK {
			assert.Contains(t, text, ">Roots</a>")
			break
		}
		assert.True(t, time.Now().Before(deadline), "%s", text)
		time.Sleep(50 * time.Millisecond) // until the breaker asks
	}
	status, breaker = s.health(t, "search")
	assert.Equal(t, status+", "+breaker, "ok, closed")
}

func TestTheProcessingServiceIsDown(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	s := newSiteAround(t, failing("processing", &down))
	status, text, _ := s.do(t, http.MethodPost, "/api/contents?name=a.md", strings.NewReader("# A"), nil)
	assert.Equal(t, status, http.StatusCreated)
	id := regexp.MustCompile(`/contents/([0-9a-f-]{36})`).FindStringSubmatch(text)[1]
	for deadline := time.Now().Add(20 * time.Second); ; {
		page := s.get(t, "/contents/"+id)
		if strings.Contains(page, "The processing service is not available at the moment, and this content waits for it.") {
			assert.False(t, strings.Contains(page, "Failed"), "%s", page)
			break
		}
		assert.True(t, time.Now().Before(deadline), "%s", page)
		time.Sleep(5 * time.Millisecond) // until the breaker is open
	}
	down.Store(false)
	s.settle(t, id)
	assert.Contains(t, s.get(t, "/contents/"+id), "ContentPublished")
}
