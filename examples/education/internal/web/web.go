// Package web shows the contents to people, and to programs as JSON. It knows
// commands and queries, and no database.
package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/blob"
	"github.com/parlance-go/parlance/examples/education/internal/intake"
	"github.com/parlance-go/parlance/examples/education/internal/service"
	"github.com/parlance-go/parlance/examples/education/internal/service/search"
)

//go:embed templates static
var files embed.FS

// Config sets up a Site. All fields but Logger are required.
type Config struct {
	Store    *eventstore.Store
	Commands *cqrs.Commands
	Queries  *cqrs.Queries
	Intake   *intake.Intake
	Blobs    *blob.Folder

	// Search finds contents: it calls a service.
	Search search.Client
	// Services returns how the calls to each service fare.
	Services func() []service.Status

	// Logger is told of what failed here, and not at the visitor's.
	// Defaults to slog.Default().
	Logger *slog.Logger
}

// Site answers HTTP requests.
type Site struct {
	Config

	pages   *template.Template
	handler http.Handler
	live    chan struct{}   // a place for each page that is told of changes
	life    context.Context //nolint:containedctx // ends the answers that would go on for ever
}

// maxLive is how many pages are told of changes at once. The others are not, and
// ask their visitors to reload them.
const maxLive = 100

// New returns a Site. When ctx is done it ends the answers that would go on for
// ever.
func New(ctx context.Context, config Config) (*Site, error) {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	pages, err := template.New("").Funcs(functions).Funcs(template.FuncMap{"services": config.Services}).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	static, err := fs.Sub(files, "static")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s := &Site{Config: config, pages: pages, live: make(chan struct{}, maxLive), life: ctx}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("POST /contents", s.upload)
	mux.HandleFunc("GET /contents/{id}", s.content)
	mux.HandleFunc("GET /contents/{id}/file", s.file)
	mux.HandleFunc("POST /contents/{id}/retry", s.retry)
	mux.HandleFunc("GET /api/contents", s.apiSearch)
	mux.HandleFunc("POST /api/contents", s.apiUpload)
	mux.HandleFunc("GET /api/contents/{id}", s.apiContent)
	mux.HandleFunc("GET /api/contents/{id}/events", s.apiEvents)
	mux.HandleFunc("GET /api/health", s.apiHealth)
	mux.HandleFunc("GET /changes", s.changes)
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, errNoPage) })
	s.handler = secure(http.NewCrossOriginProtection().Handler(mux))
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// visitorError is one that the visitor can do something about.
type visitorError struct {
	status int
	text   string
}

func (e *visitorError) Error() string { return e.text }

func badRequest(format string, args ...any) error {
	return &visitorError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

var (
	errNoPage    = &visitorError{http.StatusNotFound, "There is no such page."}
	errNoContent = &visitorError{http.StatusNotFound, "There is no such content."}
)

// away returns what to tell the visitor about a service that is not available, and
// in how many seconds to ask again.
func (s *Site) away(err *service.UnavailableError) (known *visitorError, seconds int) {
	if !errors.Is(err, breaker.ErrOpen) { // of which the log has heard
		s.Logger.Warn("call failed", "service", err.Service, "error", err.Err)
	}
	after := err.RetryAfter()
	for _, status := range s.Services() {
		if status.Name == err.Service { // this call may have been the last straw
			after = max(after, time.Duration(status.RetryAfter)*time.Second)
		}
	}
	seconds = service.Seconds(after)
	text := fmt.Sprintf("%s is not available at the moment. Try again in %d seconds.", capital(err.Service), seconds)
	if seconds == 1 {
		text = capital(err.Service) + " is not available at the moment. Try again in a second."
	}
	return &visitorError{http.StatusServiceUnavailable, text}, seconds
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// explain returns what to tell the visitor. What is none of the visitor's
// business goes to the log instead.
func (s *Site) explain(r *http.Request, err error) *visitorError {
	var known *visitorError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &large):
		return &visitorError{http.StatusRequestEntityTooLarge, "That is more than can be uploaded at once."}
	case r.Context().Err() != nil:
		return &visitorError{http.StatusRequestTimeout, "The request was given up."}
	case errors.Is(err, cqrs.ErrNoVersion):
		return &visitorError{http.StatusServiceUnavailable, "The contents are being indexed. Try again in a moment."}
	}
	s.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	return &visitorError{http.StatusInternalServerError, "Something went wrong here. The log says what."}
}
