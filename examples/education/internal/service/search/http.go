// Package search is the search service: it finds contents by their words, type and
// status, and knows how many there are of each kind. It answers from the read
// model, and changes nothing.
package search

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/examples/education/internal/readmodel"
	"github.com/parlance-go/parlance/examples/education/internal/service"
)

// Name is what errors and the log call the service.
const Name = "search"

const (
	pathFind  = "/search"
	pathCount = "/counts"
)

// Service finds contents.
type Service struct {
	queries *cqrs.Queries
	logger  *slog.Logger
}

// New returns a Service that asks a query bus.
func New(queries *cqrs.Queries, logger *slog.Logger) *Service { return &Service{queries, logger} }

// Handler answers a GET of /search, with the parameters that [Parse] reads, with a
// [readmodel.Page], and of /counts with all [readmodel.Count].
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathFind, func(w http.ResponseWriter, r *http.Request) {
		query, err := parseStrictly(r.URL.RawQuery)
		if err != nil {
			service.Fail(w, r, s.logger, service.BadRequest("%v", err))
			return
		}
		page, err := cqrs.Ask(r.Context(), s.queries, query.model())
		s.answer(w, r, page, err)
	})
	mux.HandleFunc("GET "+pathCount, func(w http.ResponseWriter, r *http.Request) {
		counts, err := cqrs.Ask(r.Context(), s.queries, readmodel.Summary{})
		s.answer(w, r, counts, err)
	})
	return mux
}

func (s *Service) answer(w http.ResponseWriter, r *http.Request, value any, err error) {
	if errors.Is(err, cqrs.ErrNoVersion) {
		err = &service.StatusError{
			Code: http.StatusServiceUnavailable, Text: "the contents are being indexed", After: time.Second,
		}
	}
	if err != nil {
		service.Fail(w, r, s.logger, err)
		return
	}
	service.Answer(w, value)
}

// Client calls the service. It is safe for concurrent use. The error of each
// method is a *service.UnavailableError.
type Client struct{ *service.Client }

// Find returns a page of the contents that were found.
func (c Client) Find(ctx context.Context, query Query) (readmodel.Page, error) {
	var page readmodel.Page
	err := c.Get(ctx, pathFind+"?"+query.encode(), &page)
	return page, err
}

// Count returns how many contents there are, by status and type.
func (c Client) Count(ctx context.Context) ([]readmodel.Count, error) {
	var counts []readmodel.Count
	err := c.Get(ctx, pathCount, &counts)
	return counts, err
}
