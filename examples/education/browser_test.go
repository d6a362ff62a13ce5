package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/examples/education/internal/service/search"
	"github.com/parlance-go/parlance/examples/education/internal/system"
	"github.com/parlance-go/parlance/examples/education/internal/web"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
	"github.com/parlance-go/parlance/policy"
)

// browser is a page in headless Chromium, with what it complains about.
type browser struct {
	ctx context.Context // chromedp keeps the page in it

	mu         sync.Mutex
	complaints []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(testenv.Program(t, "chromium", "chromium")),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.WindowSize(1000, 1200),
	}
	ctx, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	ctx, closePage := chromedp.NewContext(ctx)
	t.Cleanup(closePage)
	assert.NoError(t, chromedp.Do(ctx)) // starts it, and so has no deadline
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancel)
	b := &browser{ctx: ctx}
	assert.NoError(t, chromedp.Listen(ctx, func(event any) {
		complaint := ""
		switch event := event.(type) {
		case *runtime.EventExceptionThrown:
			complaint = event.ExceptionDetails.Text
		case *log.EventEntryAdded:
			if event.Entry.Level == log.EntryLevelError {
				complaint = event.Entry.Text
			}
		case *page.EventJavascriptDialogOpening:
			complaint = "dialog: " + event.Message
		}
		if complaint != "" {
			b.mu.Lock()
			b.complaints = append(b.complaints, complaint)
			b.mu.Unlock()
		}
	}))
	return b
}

func (b *browser) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	assert.NoError(t, chromedp.Do(b.ctx, actions...))
}

func result[T any](t *testing.T, b *browser, action chromedp.Action[T]) T {
	t.Helper()
	value, err := chromedp.Run(b.ctx, action)
	assert.NoError(t, err)
	return value
}

func (b *browser) text(t *testing.T, selector chromedp.CSS) string {
	t.Helper()
	return result(t, b, chromedp.Text(selector))
}

// shoot keeps a picture of the page in the folder that EDUCATION_SCREENSHOTS
// names, for people to look at.
func (b *browser) shoot(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("EDUCATION_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture := result(t, b, chromedp.CaptureScreenshot())
	assert.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600))
}

// fits fails if the page has to be scrolled sideways.
func (b *browser) fits(t *testing.T) {
	t.Helper()
	wide := result(t, b, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`))
	assert.False(t, wide, "the page is wider than the window")
}

func TestInABrowser(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	p := start(t, "-import", documents(t, 3), "-data", t.TempDir(), "-max-size", "100KB")
	defer p.stop(t)
	file := filepath.Join(t.TempDir(), "leaves.md")
	assert.NoError(t, os.WriteFile(file, []byte(
		"# Leaves &lt;b>\n\n<script>alert(1)</script>\n\nChlorophyll makes leaves green.\n\n"+strings.Repeat("averylongwordwithoutend", 20)), 0o600))

	b.do(t, chromedp.Navigate(p.url))
	assert.Contains(t, b.text(t, ".contents"), "Lesson 2")
	assert.Contains(t, b.text(t, ".contents"), "Failed: it is empty")
	b.shoot(t, "list")

	b.do(t,
		chromedp.SetUploadFiles(chromedp.CSS(`input[type=file]`), []string{file}),
		chromedp.Click(chromedp.CSS(`.upload button`)),
		chromedp.WaitVisible(chromedp.CSS(`.status.published`)),
		chromedp.WaitVisible(chromedp.CSS(`.history .ContentPublished`)),
	)
	assert.Equal(t, b.text(t, "h1"), "Leaves <b>")
	assert.Contains(t, b.text(t, ".history"), "Processing completed")
	b.do(t, chromedp.Click(chromedp.CSS(`.history summary`)))
	assert.Contains(t, b.text(t, ".history pre"), `"fileName": "leaves.md"`)
	b.shoot(t, "content")

	b.do(t,
		chromedp.Click(chromedp.CSS(`.home`)),
		chromedp.WaitVisible(chromedp.CSS(`.contents`)),
		chromedp.SendKeys(chromedp.CSS(`input[type=search]`), "chloro\n"),
		chromedp.WaitVisible(chromedp.CSS(`mark`)),
	)
	assert.Equal(t, b.text(t, "mark"), "Chlorophyll")
	assert.Contains(t, b.text(t, ".count"), "1–1 of 1 found")
	b.shoot(t, "search")

	// On a phone, at night.
	b.do(t, chromedp.EmulateViewport(360, 740))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	assert.NoError(t, err)
	b.fits(t)
	b.shoot(t, "phone-search")
	b.do(t, chromedp.Click(chromedp.CSS(`.contents a`)), chromedp.WaitVisible(chromedp.CSS(`.history`)))
	b.fits(t)
	b.shoot(t, "phone-content")

	// What happens elsewhere shows without reloading.
	b.do(t, chromedp.Navigate(p.url), chromedp.WaitVisible(chromedp.CSS(`.contents`)))
	b.fits(t)
	b.shoot(t, "phone-list")
	response := p.request(t, http.MethodPost, "/api/contents?name=news.txt", strings.NewReader("Breaking news"))
	assert.NoError(t, response.Body.Close())
	b.do(t, chromedp.Poll[chromedp.Void](`document.querySelector(".contents").textContent.includes("Breaking news")`,
		chromedp.WithPollingTimeout(20*time.Second)))

	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Equal(t, b.complaints, nil, "the browser complains")
}

// TestTheSearchServiceIsDownInABrowser: the page says so, and mends itself.
func TestTheSearchServiceIsDownInABrowser(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	s, err := system.Open(t.Context(), system.Options{
		Data: t.TempDir(), MaxSize: 1 << 20, Logger: slog.New(slog.DiscardHandler),
		Around: func(service string, next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if service == search.Name && down.Load() {
					panic(http.ErrAbortHandler)
				}
				next.ServeHTTP(w, r)
			})
		},
		Calls: policy.Settings{Breaker: breaker.Config{ResetTimeout: 2 * time.Second}},
	})
	assert.NoError(t, err)
	_, stop := s.Start(t.Context())
	life, end := context.WithCancel(t.Context())
	site, err := web.New(life, web.Config{
		Store: s.Store, Commands: s.Commands, Queries: s.Queries, Intake: s.Intake, Blobs: s.Blobs,
		Search: s.Search, Services: s.Services, Logger: slog.New(slog.DiscardHandler),
	})
	assert.NoError(t, err)
	server := httptest.NewServer(site)
	t.Cleanup(func() {
		end()
		server.Close()
		assert.NoError(t, stop())
		assert.NoError(t, s.Close())
	})
	assert.NoError(t, s.Ready(t.Context()))
	_, err = s.Intake.Upload(t.Context(), "leaf.md", strings.NewReader("# Leaves"))
	assert.NoError(t, err)

	b := newBrowser(t)
	down.Store(true)
	b.do(t, chromedp.Navigate(server.URL+"/?q=leaves"), chromedp.WaitVisible(chromedp.CSS(`.away`)))
	assert.Contains(t, b.text(t, ".away"), "Search is not available at the moment. Try again in")
	b.do(t, chromedp.WaitVisible(chromedp.CSS(`.upload button`)))
	b.do(t, chromedp.EmulateViewport(360, 740), chromedp.Navigate(server.URL+"/?q=leaves"), chromedp.WaitVisible(chromedp.CSS(`.breaker.open`)))
	b.fits(t)
	b.shoot(t, "phone-away")
	b.do(t, chromedp.EmulateViewport(1000, 900))
	b.shoot(t, "away")
	down.Store(false)
	shows := func(title string) {
		t.Helper()
		b.do(t, chromedp.Poll[chromedp.Void](`document.querySelector(".contents")?.textContent.includes("`+title+`") && !!document.querySelector(".breaker.closed:nth-of-type(2)")`,
			chromedp.WithPollingTimeout(20*time.Second)))
	}
	shows("Leaves")

	// A page that has its list keeps it, and learns later what it has missed.
	down.Store(true)
	_, err = s.Intake.Upload(t.Context(), "fall.md", strings.NewReader("# Falling leaves"))
	assert.NoError(t, err)
	b.do(t, chromedp.WaitVisible(chromedp.CSS(`.breaker.open`)))
	assert.Contains(t, b.text(t, ".contents"), "Leaves")
	down.Store(false)
	shows("Falling leaves")
}
