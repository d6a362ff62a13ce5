package search_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/readmodel"
	"github.com/parlance-go/parlance/examples/education/internal/service"
	"github.com/parlance-go/parlance/examples/education/internal/service/search"
	"github.com/parlance-go/parlance/examples/education/internal/words"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// model is a read model that remembers what it was asked.
type model struct {
	page   readmodel.Page
	counts []readmodel.Count
	err    error

	asked readmodel.Search
}

func (m *model) Search(_ context.Context, search readmodel.Search) (readmodel.Page, error) {
	m.asked = search
	return m.page, m.err
}

func (*model) Get(context.Context, string) (readmodel.Detail, error) {
	return readmodel.Detail{}, readmodel.ErrNotFound
}

func (m *model) Summary(context.Context) ([]readmodel.Count, error) { return m.counts, m.err }

func over(t *testing.T, m *model) (url string, client search.Client) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	queries := cqrs.NewQueries()
	assert.NoError(t, readmodel.Answer(queries, m))
	server, err := service.Listen(t.Context(), search.Name, search.New(queries, logger).Handler(), logger)
	assert.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	caller, err := service.NewClient(service.Config{
		Name: search.Name, URL: server.URL(), Calls: policy.Settings{Retry: retry.Config{MaxAttempts: 1}}, Logger: logger,
	})
	assert.NoError(t, err)
	t.Cleanup(func() {
		caller.CloseIdle()
		stop()
		assert.NoError(t, <-ended)
	})
	return server.URL(), search.Client{Client: caller}
}

func TestFindAndCount(t *testing.T) {
	at := time.Date(2026, 5, 4, 3, 2, 1, 123456000, time.UTC)
	m := &model{
		page: readmodel.Page{Total: 21, Hits: []readmodel.Hit{{
			Content: readmodel.Content{ID: "x", Title: "<T>", Status: content.Published, UploadedAt: at, UpdatedAt: at, Version: 4},
			Snippet: []words.Part{{Text: "a "}, {Text: "b", Hit: true}},
		}}},
		counts: []readmodel.Count{{Status: content.Failed, ContentType: "text/html", Contents: 1, Words: 2, Bytes: 3}},
	}
	_, client := over(t, m)
	page, err := client.Find(t.Context(), search.Query{Words: "b", ContentType: "text/html", Status: "failed", Page: 2})
	assert.NoError(t, err)
	assert.Equal(t, page, m.page)
	assert.Equal(t, m.asked, readmodel.Search{Query: words.Parse("b"), ContentType: "text/html", Status: "failed", Page: 2})
	counts, err := client.Count(t.Context())
	assert.NoError(t, err)
	assert.Equal(t, counts, m.counts)
}

// TestWhatIsTypedArrives, whatever it is.
func TestWhatIsTypedArrives(t *testing.T) {
	m := new(model)
	_, client := over(t, m)
	for _, typed := range []string{
		"", " ", `"`, "a+b&c=d;e#f?g%h", "\x00", "\xff\xfe", "\u00fc\U0001f4a1 \n\t", strings.Repeat("\u00fc ", 50_000), strings.Repeat("a", 499) + "\u00fcb",
	} {
		_, err := client.Find(t.Context(), search.Query{Words: typed})
		assert.NoError(t, err)
		assert.Equal(t, m.asked, readmodel.Search{Query: words.Parse(typed), Page: 1}, "%q", typed)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	url, _ := over(t, new(model))
	for path, want := range map[string]int{
		"/search":              200,
		"/search?q=a&page=500": 200,
		"/search?page=0":       400,
		"/search?page=501":     400,
		"/search?type=x":       400,
		"/search?status=draft": 400,
		"/search?q=a&q=b":      400,
		"/search?sort=title":   400,
		"/search?q=%zz":        400,
		"/search?q=" + strings.Repeat("a", 100_000): 431,
		"/counts":  200,
		"/nowhere": 404,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, http.NoBody)
		assert.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		assert.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		assert.NoError(t, err)
		assert.NoError(t, response.Body.Close())
		assert.Equal(t, response.StatusCode, want, "%.40s: %s", path, text)
		if want == 400 {
			assert.NoError(t, json.Unmarshal(text, new(struct{ Error string })))
		}
	}
}

func TestAReadModelThatCannotBeAsked(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		code  int
		after time.Duration
	}{
		"is being built": {cqrs.ErrNoVersion, 503, time.Second},
		"is broken":      {errors.New("disk"), 500, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, client := over(t, &model{err: test.err})
			_, err := client.Find(t.Context(), search.Query{})
			assert.Equal(t, assert.ErrorAs[*service.StatusError](t, err).Code, test.code)
			assert.Equal(t, assert.ErrorAs[*service.UnavailableError](t, err).RetryAfter(), test.after)
			_, err = client.Count(t.Context())
			assert.Error(t, err)
		})
	}
}
