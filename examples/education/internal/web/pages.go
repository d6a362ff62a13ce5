package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/examples/education/internal/readmodel"
	"github.com/parlance-go/parlance/examples/education/internal/service"
	"github.com/parlance-go/parlance/examples/education/internal/service/reading"
	"github.com/parlance-go/parlance/examples/education/internal/service/search"
)

var functions = template.FuncMap{
	"bytes": extract.Bytes,
	"kind":  func(contentType string) string { return extract.Kind(contentType).Label() },
	"length": func(ms int64) string {
		seconds := (ms + 500) / 1000
		if seconds >= 3600 {
			return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
		}
		return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
	},
	"size":    func(text string) int64 { return int64(len(text)) },
	"number":  number[int],
	"numbers": number[int64],
	"day":     func(t time.Time) string { return t.Format("2 January 2006, 15:04 MST") },
	"precise": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") },
	"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
}

// number writes a number with a thin space between thousands.
func number[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteString("\u202f")
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// show writes a page, or, if that fails, nothing of it.
func (s *Site) show(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, data); err != nil {
		s.Logger.Error("page failed", "page", name, "path", r.URL.Path, "error", err)
		http.Error(w, "Something went wrong here. The log says what.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a visitor who is gone needs no answer
}

func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	var known *visitorError
	if unavailable, ok := errors.AsType[*service.UnavailableError](err); ok && r.Context().Err() == nil {
		var seconds int
		known, seconds = s.away(unavailable)
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	} else {
		known = s.explain(r, err)
	}
	if strings.HasPrefix(r.URL.Path, "/api/") {
		s.write(w, known.status, map[string]string{"error": known.text})
		return
	}
	s.show(w, r, known.status, "problem.html", map[string]any{"Title": http.StatusText(known.status), "Text": known.text})
}

// wanted reads what is looked for from a request.
func wanted(r *http.Request) (search.Query, error) {
	query, err := search.Parse(r.URL.Query())
	if err != nil {
		err = badRequest("%v", err)
	}
	return query, err
}

// choice is an entry of a list to choose from.
type choice struct {
	Value, Label string
	Count        int
	Chosen       bool
}

type indexPage struct {
	Title             string
	Query             search.Query
	Page              readmodel.Page
	Types, Statuses   []choice
	Contents          int
	Words             int64
	First, Last       int
	Previous, Next    string
	MaxSize           int64
	Filtered, Nothing bool
	Away              string // why there is nothing else
	Again             int    // in how many seconds there may be
}

func (s *Site) index(w http.ResponseWriter, r *http.Request) {
	query, err := wanted(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	data := indexPage{
		Title: "Contents", Query: query, MaxSize: s.Intake.MaxSize,
		Filtered: query.Filters(),
	}
	page, counts, err := s.find(r.Context(), query)
	if unavailable, ok := errors.AsType[*service.UnavailableError](err); ok && r.Context().Err() == nil {
		// All but the list is there.
		known, seconds := s.away(unavailable)
		data.Away, data.Again = known.text, seconds
		data.count(nil)
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		s.show(w, r, known.status, "index.html", data)
		return
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	data.Page = page
	data.count(counts)
	data.First = (query.Page-1)*readmodel.PageSize + 1
	data.Last = data.First + len(page.Hits) - 1
	data.Nothing = len(page.Hits) == 0
	if query.Page > 1 {
		data.Previous = turn(r.URL, query.Page-1)
	}
	if data.Last < page.Total && query.Page < readmodel.MaxPage && !data.Nothing {
		data.Next = turn(r.URL, query.Page+1)
	}
	s.show(w, r, http.StatusOK, "index.html", data)
}

// find asks the search service for what the list shows.
func (s *Site) find(ctx context.Context, query search.Query) (readmodel.Page, []readmodel.Count, error) {
	page, err := s.Search.Find(ctx, query)
	if err != nil {
		return page, nil, err
	}
	counts, err := s.Search.Count(ctx)
	return page, counts, err
}

// count makes the lists to choose from.
func (p *indexPage) count(counts []readmodel.Count) {
	byType, byStatus := map[string]int{}, map[content.Status]int{}
	for _, c := range counts {
		byType[c.ContentType] += c.Contents
		byStatus[c.Status] += c.Contents
		p.Contents += c.Contents
		p.Words += c.Words
	}
	if chosen := p.Query.ContentType; chosen != "" {
		byType[chosen] += 0 // so that it stays chosen
	}
	for _, contentType := range slices.SortedFunc(maps.Keys(byType), func(a, b string) int {
		return cmp.Or(byType[b]-byType[a], strings.Compare(a, b))
	}) {
		p.Types = append(p.Types, choice{contentType, extract.Kind(contentType).Label(), byType[contentType], contentType == p.Query.ContentType})
	}
	for _, status := range content.Statuses() {
		if byStatus[status] > 0 || string(status) == p.Query.Status {
			p.Statuses = append(p.Statuses, choice{string(status), string(status), byStatus[status], string(status) == p.Query.Status})
		}
	}
}

func turn(u *url.URL, page int) string {
	values := u.Query()
	values.Set("page", strconv.Itoa(page))
	return "/?" + values.Encode()
}

type contentPage struct {
	Title    string
	Content  readmodel.Detail
	Events   []shownEvent
	Settled  bool
	Picture  bool
	Sound    bool
	CanRetry bool
	Hash     string
	// Waiting tells that the processing service is not called at the moment.
	Waiting bool
}

// shownEvent is an event as the page shows it.
type shownEvent struct {
	eventstore.Recorded

	Label string
	Body  string
	// After is how long it came after the event before.
	After time.Duration
}

// id returns the ID in the path of a request.
func id(r *http.Request) (string, error) {
	parsed, err := uuid.Parse(r.PathValue("id"))
	if err != nil || parsed.String() != r.PathValue("id") {
		return "", errNoContent
	}
	return parsed.String(), nil
}

func (s *Site) content(w http.ResponseWriter, r *http.Request) {
	id, err := id(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	history, err := s.history(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if len(history) == 0 {
		s.fail(w, r, errNoContent)
		return
	}
	data := contentPage{Events: shown(history)}
	detail, err := cqrs.Ask(r.Context(), s.Queries, readmodel.Get{ID: id})
	if err != nil && !errors.Is(err, readmodel.ErrNotFound) {
		s.fail(w, r, err)
		return
	}
	state, err := replay(history)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if detail.ID == "" { // the read model is not that far yet
		detail.Content = readmodel.Content{
			ID: id, Title: state.Title, FileName: state.Upload.FileName, Source: state.Upload.Source,
			ContentType: state.Upload.ContentType, Status: state.Status, Size: state.Upload.Size,
			UploadedAt: history[0].Time, UpdatedAt: history[len(history)-1].Time,
		}
	}
	data.Content, data.Title, data.Hash = detail, detail.Title, state.Upload.Hash
	data.Settled = detail.Status.Settled() && state.Status.Settled()
	data.Waiting = slices.ContainsFunc(s.Services(), func(s service.Status) bool { return s.Name == reading.Name && !s.Up() })
	data.CanRetry = data.Settled && state.Status == content.Failed && state.Upload.Hash != ""
	if detail.Status == content.Published {
		kind := extract.Kind(detail.ContentType)
		data.Picture = kind == extract.PNG || kind == extract.JPEG
		data.Sound = kind == extract.WAV
	}
	s.show(w, r, http.StatusOK, "content.html", data)
}

// retry sends what has failed through the processing once more.
func (s *Site) retry(w http.ResponseWriter, r *http.Request) {
	id, err := id(r)
	if err == nil {
		err = cqrs.Send(r.Context(), s.Commands, content.StartProcessing{ID: id, Processor: "visitor"})
	}
	if errors.Is(err, content.ErrTransition) {
		err = &visitorError{http.StatusConflict, "Only a content that has failed can be processed again."}
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/contents/"+id, http.StatusSeeOther) //nolint:gosec // a UUID
}
