package web_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/readmodel"
	"github.com/parlance-go/parlance/examples/education/internal/system"
	"github.com/parlance-go/parlance/examples/education/internal/testlog"
	"github.com/parlance-go/parlance/examples/education/internal/web"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

const maxSize = 100 << 10

// site is a whole system with its page.
type site struct {
	*httptest.Server

	system *system.System
	log    *testlog.Log
}

func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteAround(t, nil)
}

// newSiteAround is newSite with other handlers for the services.
func newSiteAround(t *testing.T, around func(service string, handler http.Handler) http.Handler) *site {
	t.Helper()
	log := new(testlog.Log)
	s, err := system.Open(t.Context(), system.Options{
		Data: t.TempDir(), MaxSize: maxSize, Around: around, Logger: slog.New(slog.DiscardHandler),
		Calls: policy.Settings{
			Retry:   retry.Config{BaseDelay: time.Millisecond},
			Breaker: breaker.Config{ResetTimeout: 2 * time.Second},
		},
	})
	assert.NoError(t, err)
	_, stop := s.Start(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	page, err := web.New(ctx, web.Config{
		Store: s.Store, Commands: s.Commands, Queries: s.Queries, Intake: s.Intake, Blobs: s.Blobs,
		Search: s.Search, Services: s.Services,
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	assert.NoError(t, err)
	server := httptest.NewServer(page)
	server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(func() {
		cancel()
		server.Close()
		assert.NoError(t, stop())
		assert.NoError(t, s.Close())
		if t.Failed() {
			t.Log(log)
		}
	})
	assert.NoError(t, s.Ready(t.Context()))
	return &site{server, s, log}
}

func (s *site) do(t *testing.T, method, path string, body io.Reader, header http.Header) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
	assert.NoError(t, err)
	for name, values := range header {
		request.Header[name] = values
	}
	if host := header.Get("Host"); host != "" {
		request.Host = host
	}
	response, err := s.Client().Do(request)
	assert.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	assert.NoError(t, err)
	return response.StatusCode, string(text), response.Header
}

func (s *site) get(t *testing.T, path string) string {
	t.Helper()
	status, text, _ := s.do(t, http.MethodGet, path, nil, nil)
	assert.Equal(t, status, http.StatusOK, "GET %s: %s", path, text)
	return text
}

// form returns a form with files, by name.
func form(t *testing.T, files ...string) (io.Reader, http.Header) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		part, err := w.CreateFormFile("file", files[i])
		assert.NoError(t, err)
		_, err = io.WriteString(part, files[i+1])
		assert.NoError(t, err)
	}
	assert.NoError(t, w.Close())
	return &b, http.Header{"Content-Type": {w.FormDataContentType()}}
}

// upload uploads a file with the page's form, and returns the ID of its content.
func (s *site) upload(t *testing.T, name, text string) string {
	t.Helper()
	body, header := form(t, name, text)
	status, answer, got := s.do(t, http.MethodPost, "/contents", body, header)
	assert.Equal(t, status, http.StatusSeeOther, "%s", answer)
	id := strings.TrimPrefix(got.Get("Location"), "/contents/")
	s.settle(t, id)
	return id
}

// settle waits until the read model shows a content as settled. The site waits
// for that too, but not for ever.
func (s *site) settle(t *testing.T, id string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		detail, err := cqrs.Ask(t.Context(), s.system.Queries, readmodel.Get{ID: id})
		if err == nil && detail.Status.Settled() {
			return
		}
		assert.True(t, time.Now().Before(deadline), "%s is not settled: %v", id, err)
		time.Sleep(5 * time.Millisecond) // there is nothing to wait on from outside
	}
}

func TestUploadAndFind(t *testing.T) {
	s := newSite(t)
	id := s.upload(t, "leaf.md", "# Leaves\n\nChlorophyll makes them green.\n\n## Veins\n")
	page := s.get(t, "/contents/"+id)
	for _, want := range []string{
		"<h1>Leaves</h1>", "published", "ContentUploaded", "ContentProcessingStarted", "ContentProcessingCompleted",
		"ContentPublished", "version 4", "Chlorophyll makes them green.", "Veins", "6 words",
	} {
		assert.Contains(t, page, want)
	}
	found := s.get(t, "/?q=chloro")
	assert.Contains(t, found, `<a href="/contents/`+id+`">Leaves</a>`)
	assert.Contains(t, found, "<mark>Chlorophyll</mark>")
	assert.Contains(t, s.get(t, "/?q=zebra"), "Nothing was found.")
	assert.Contains(t, s.get(t, "/?type=text/markdown&status=published"), "Leaves")
	assert.Contains(t, s.get(t, "/?status=failed"), "Nothing was found.")

	assert.Equal(t, s.upload(t, "leaf.md", "# Leaves\n\nChlorophyll makes them green.\n\n## Veins\n"), id, "uploaded twice")
}

func TestHostileTitlesAreText(t *testing.T) {
	s := newSite(t)
	const title = `<script>alert("x")</script>'; DROP TABLE contents;--`
	id := s.upload(t, `"><img src=x onerror=alert(1)>.md`, "# `"+title+"`\n\nneedle <img src=x> `<b>bold</b>`")
	for _, path := range []string{"/", "/?q=needle", "/?q=" + url.QueryEscape(title), "/contents/" + id} {
		page := s.get(t, path)
		assert.Contains(t, page, `&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;&#39;; DROP TABLE contents;--`)
		for _, evil := range []string{"<script>alert", "<img src=x", "<b>bold", "onerror=alert(1)>"} {
			if evil == "onerror=alert(1)>" {
				assert.False(t, strings.Contains(page, evil), "%s has %s", path, evil)
				continue
			}
			assert.False(t, strings.Contains(page, evil), "%s has %s", path, evil)
		}
	}
	var detail readmodel.Detail
	assert.NoError(t, json.Unmarshal([]byte(s.get(t, "/api/contents/"+id)), &detail))
	assert.Equal(t, detail.Title, title)
	assert.Contains(t, s.get(t, "/"), "1 contents", "the table is gone")
}

func TestBadFilesFailWithAReason(t *testing.T) {
	s := newSite(t)
	for name, test := range map[string]struct{ text, want string }{
		"empty.md":   {"", "Failed: it is empty"},
		"binary.txt": {"a\x00b", "Failed: it is binary"},
		"large.txt":  {strings.Repeat("a", maxSize+1), "Failed: it is larger than the limit of 100 KiB"},
		"fake.png":   {"not a picture", "Failed: it is named .png, but it is not a PNG file"},
		"odd.pdf":    {"%PDF", "Failed: its type &#34;.pdf&#34; is not among"},
	} {
		t.Run(name, func(t *testing.T) {
			id := s.upload(t, name, test.text)
			assert.Contains(t, s.get(t, "/contents/"+id), test.want)
			assert.Contains(t, s.get(t, "/?status=failed&q="+url.QueryEscape(name)), test.want)
		})
	}
	assert.Equal(t, s.log.String(), "", "a bad file is not the program's trouble")
}

func TestRequestsThatAreRefused(t *testing.T) {
	s := newSite(t)
	id := s.upload(t, "a.md", "text")
	small, header := form(t)
	large := strings.NewReader(strings.Repeat("a", 65<<20))
	for name, test := range map[string]struct {
		method, path string
		body         io.Reader
		header       http.Header
		want         int
	}{
		"no such page":            {"GET", "/nowhere", nil, nil, 404},
		"no such content":         {"GET", "/contents/00000000-0000-0000-0000-000000000000", nil, nil, 404},
		"an ID that is none":      {"GET", "/contents/x'--", nil, nil, 404},
		"an ID written otherwise": {"GET", "/contents/" + strings.ToUpper(id), nil, nil, 404},
		"path out":                {"GET", "/static/..%2f..%2fweb.go", nil, nil, 404},
		"templates":               {"GET", "/static/../templates/index.html", nil, nil, 307},
		"page 0":                  {"GET", "/?page=0", nil, nil, 400},
		"page 501":                {"GET", "/?page=501", nil, nil, 400},
		"page x":                  {"GET", "/?page=x", nil, nil, 400},
		"type":                    {"GET", "/?type=x%27--", nil, nil, 400},
		"status":                  {"GET", "/api/contents?status=draft", nil, nil, 400},
		"no file":                 {"POST", "/contents", small, header, 400},
		"no form":                 {"POST", "/contents", strings.NewReader("x"), nil, 400},
		"half a form":             {"POST", "/contents", strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nab"), http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}, 400},
		"far too large":           {"POST", "/api/contents?name=a.md", large, nil, 201},
		"from another site":       {"POST", "/contents", nil, http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		"from another origin":     {"POST", "/api/contents?name=a", nil, http.Header{"Origin": {"https://evil.example"}}, 403},
		"foreign host":            {"GET", "/api/contents", nil, http.Header{"Host": {"evil.example"}}, 421},
		"foreign host with port":  {"GET", "/", nil, http.Header{"Host": {"evil.example:8080"}}, 421},
		"localhost":               {"GET", "/", nil, http.Header{"Host": {"localhost:8080"}}, 200},
		"retry what is published": {"POST", "/contents/" + id + "/retry", nil, nil, 409},
		"retry what is not there": {"POST", "/contents/00000000-0000-0000-0000-000000000000/retry", nil, nil, 409},
		"get what is posted":      {"GET", "/contents", nil, nil, 404},
	} {
		t.Run(name, func(t *testing.T) {
			status, text, header := s.do(t, test.method, test.path, test.body, test.header)
			assert.Equal(t, status, test.want, "%s", text)
			assert.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
			assert.Equal(t, header.Get("X-Content-Type-Options"), "nosniff")
			assert.Equal(t, header.Get("X-Frame-Options"), "DENY")
		})
	}
	assert.Contains(t, s.get(t, "/?status=published"), "1–1 of 1", "something came in")
}

func TestSearchTakesAnything(t *testing.T) {
	s := newSite(t)
	s.upload(t, "a.md", "light becomes sugar")
	for _, typed := range []string{`"`, `*`, `" OR * NEAR(`, `'; DROP TABLE contents;--`, "\x00", "\xff\xfe", `\`, strings.Repeat("a ", 5000), "light)", "-", "💡"} {
		s.get(t, "/?q="+url.QueryEscape(typed))
		s.get(t, "/api/contents?q="+url.QueryEscape(typed))
	}
	assert.Contains(t, s.get(t, "/?q=sug"), "<mark>sugar</mark>")
}

func TestJSON(t *testing.T) {
	s := newSite(t)
	status, text, header := s.do(t, http.MethodPost, "/api/contents?name="+url.QueryEscape("../a b.md"), strings.NewReader("# T\n\nneedle"), nil)
	assert.Equal(t, status, http.StatusCreated, "%s", text)
	assert.Equal(t, header.Get("Content-Type"), "application/json")
	var created struct {
		Contents []struct{ ID, Name, URL string }
	}
	assert.NoError(t, json.Unmarshal([]byte(text), &created))
	one := created.Contents[0]
	assert.Equal(t, one.Name, "a b.md")
	s.settle(t, one.ID)

	var page struct {
		Total    int
		Contents []readmodel.Hit
	}
	assert.NoError(t, json.Unmarshal([]byte(s.get(t, "/api/contents?q=needle&type=text/markdown&status=published")), &page))
	assert.Equal(t, page.Total, 1)
	assert.Equal(t, page.Contents[0].ID, one.ID)
	assert.Contains(t, s.get(t, "/api/contents?q=zebra"), `"contents":[]`)

	var detail readmodel.Detail
	assert.NoError(t, json.Unmarshal([]byte(s.get(t, one.URL)), &detail))
	assert.Equal(t, detail.Text, "T\nneedle")

	var history []eventstore.CloudEvent
	assert.NoError(t, json.Unmarshal([]byte(s.get(t, one.URL+"/events")), &history))
	assert.Equal(t, len(history), 4)
	assert.Equal(t, history[3].Type, "ContentPublished")
	assert.Equal(t, history[3].Version, int64(4))
	assert.Equal(t, history[1].Metadata.CausationID, history[0].ID.String(), "what led to it")
	assert.Equal(t, history[3].Metadata.CorrelationID, history[0].ID.String())

	status, _, _ = s.do(t, http.MethodPost, "/api/contents?name="+url.QueryEscape("../a b.md"), strings.NewReader("# T\n\nneedle"), nil)
	assert.Equal(t, status, http.StatusOK, "known already")

	body, form := form(t, "x.txt", "one", "y.txt", "two", "z.txt", "")
	status, text, _ = s.do(t, http.MethodPost, "/api/contents", body, form)
	assert.Equal(t, status, http.StatusCreated)
	assert.NoError(t, json.Unmarshal([]byte(text), &created))
	assert.Equal(t, len(created.Contents), 3)
	status, text, _ = s.do(t, http.MethodGet, "/api/nothing", nil, nil)
	assert.Equal(t, status, http.StatusNotFound)
	assert.Equal(t, strings.TrimSpace(text), `{"error":"There is no such page."}`)
}

func TestOriginalFile(t *testing.T) {
	s := newSite(t)
	const evil = "<script>alert(1)</script>"
	id := s.upload(t, `a "quoted"; name.html`, evil)
	status, text, header := s.do(t, http.MethodGet, "/contents/"+id+"/file", nil, nil)
	assert.Equal(t, status, http.StatusOK)
	assert.Equal(t, text, evil)
	assert.Equal(t, header.Get("Content-Type"), "application/octet-stream", "it would run here")
	assert.True(t, strings.HasPrefix(header.Get("Content-Disposition"), "attachment; filename*=UTF-8''a%20"), "%v", header)

	var picture bytes.Buffer
	assert.NoError(t, png.Encode(&picture, image.NewGray(image.Rect(0, 0, 3, 2))))
	id = s.upload(t, "p.png", picture.String())
	_, text, header = s.do(t, http.MethodGet, "/contents/"+id+"/file", nil, http.Header{"Range": {"bytes=1-3"}})
	assert.Equal(t, text, "PNG")
	assert.Equal(t, header.Get("Content-Type"), "image/png")
	assert.Contains(t, s.get(t, "/contents/"+id), `<img class="picture"`)
	assert.Contains(t, s.get(t, "/contents/"+id), "3 × 2 pixels")

	id = s.upload(t, "large.txt", strings.Repeat("a", maxSize+1))
	status, _, _ = s.do(t, http.MethodGet, "/contents/"+id+"/file", nil, nil)
	assert.Equal(t, status, http.StatusNotFound)
}

func TestRetry(t *testing.T) {
	s := newSite(t)
	id := s.upload(t, "a.md", "\x00")
	assert.Contains(t, s.get(t, "/contents/"+id), "Process again")
	status, _, _ := s.do(t, http.MethodPost, "/contents/"+id+"/retry", nil, nil)
	assert.Equal(t, status, http.StatusSeeOther)
	for deadline := time.Now().Add(20 * time.Second); ; {
		page := s.get(t, "/contents/"+id)
		if strings.Contains(page, "version 5") && strings.Contains(page, "Failed: it is binary") {
			break
		}
		assert.True(t, time.Now().Before(deadline), "not processed again: %s", page)
		time.Sleep(5 * time.Millisecond) // there is nothing to wait on from outside
	}
}

func TestChangesAreTold(t *testing.T) {
	s := newSite(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/changes", nil)
	assert.NoError(t, err)
	response, err := s.Client().Do(request)
	assert.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, response.Header.Get("Content-Type"), "text/event-stream")
	lines := bufio.NewScanner(response.Body)
	assert.True(t, lines.Scan())
	assert.Equal(t, lines.Text(), "retry: 2000")
	s.upload(t, "a.md", "text")
	for lines.Scan() && lines.Text() == "" {
	}
	assert.Equal(t, lines.Text(), "data: changed")
}

// TestManyPagesAreTold: there are places for a hundred, and they are given back.
func TestManyPagesAreTold(t *testing.T) {
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	open := func() int {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/changes", nil)
		assert.NoError(t, err)
		response, err := s.Client().Do(request)
		assert.NoError(t, err)
		t.Cleanup(func() { _ = response.Body.Close() })
		return response.StatusCode
	}
	for range 100 {
		assert.Equal(t, open(), http.StatusOK)
	}
	assert.Equal(t, open(), http.StatusServiceUnavailable)
	cancel()
	ctx = t.Context()
	for deadline := time.Now().Add(10 * time.Second); open() != http.StatusOK; {
		assert.True(t, time.Now().Before(deadline), "places are not given back")
		time.Sleep(5 * time.Millisecond) // until the server has noticed
	}
}

func TestPagesOfTheList(t *testing.T) {
	s := newSite(t)
	files := []string{}
	for i := range readmodel.PageSize + 1 {
		files = append(files, fmt.Sprintf("%02d.txt", i), fmt.Sprint("common ", i))
	}
	body, header := form(t, files...)
	status, _, got := s.do(t, http.MethodPost, "/contents", body, header)
	assert.Equal(t, status, http.StatusSeeOther)
	assert.Equal(t, got.Get("Location"), "/")
	for i := range readmodel.PageSize + 1 {
		s.upload(t, files[2*i], files[2*i+1]) // known already
	}
	first := s.get(t, "/?q=common&type=text/plain")
	assert.Contains(t, first, "1–20 of 21")
	assert.Contains(t, first, `href="/?page=2&amp;q=common&amp;type=text%2Fplain"`)
	second := s.get(t, "/?q=common&type=text/plain&page=2")
	assert.Contains(t, second, "21–21 of 21")
	assert.False(t, strings.Contains(second, "Next"))
}
