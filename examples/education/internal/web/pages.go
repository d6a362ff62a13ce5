package web

import (
	"bytes"
	"cmp"
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
	"github.com/parlance-go/parlance/examples/education/internal/words"
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
	known := s.explain(r, err)
	if strings.HasPrefix(r.URL.Path, "/api/") {
		s.write(w, known.status, map[string]string{"error": known.text})
		return
	}
	s.show(w, r, known.status, "problem.html", map[string]any{"Title": http.StatusText(known.status), "Text": known.text})
}

// search reads what is looked for from a request.
func search(r *http.Request) (readmodel.Search, error) {
	values := r.URL.Query()
	search := readmodel.Search{
		Query:       words.Parse(values.Get("q")),
		ContentType: values.Get("type"),
		Status:      values.Get("status"),
		Page:        1,
	}
	if kind := extract.Kind(search.ContentType); search.ContentType != "" && kind != extract.Unknown && !slices.Contains(extract.Kinds(), kind) {
		return search, badRequest("There is no type %.40q.", search.ContentType)
	}
	if search.Status != "" && !slices.Contains(content.Statuses(), content.Status(search.Status)) {
		return search, badRequest("There is no status %.40q.", search.Status)
	}
	if page := values.Get("page"); page != "" {
		number, err := strconv.Atoi(page)
		if err != nil || number < 1 || number > readmodel.MaxPage {
			return search, badRequest("There is no page %.40q: want 1 to %d.", page, readmodel.MaxPage)
		}
		search.Page = number
	}
	return search, nil
}

// choice is an entry of a list to choose from.
type choice struct {
	Value, Label string
	Count        int
	Chosen       bool
}

type indexPage struct {
	Title, Query      string
	Search            readmodel.Search
	Page              readmodel.Page
	Types, Statuses   []choice
	Contents          int
	Words             int64
	First, Last       int
	Previous, Next    string
	MaxSize           int64
	Filtered, Nothing bool
}

func (s *Site) index(w http.ResponseWriter, r *http.Request) {
	search, err := search(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page, err := cqrs.Ask(r.Context(), s.Queries, search)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	counts, err := cqrs.Ask(r.Context(), s.Queries, readmodel.Summary{})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	data := indexPage{
		Title: "Contents", Query: r.URL.Query().Get("q"), Search: search, Page: page, MaxSize: s.Intake.MaxSize,
		Filtered: !search.Query.Empty() || search.ContentType != "" || search.Status != "",
	}
	data.count(counts)
	data.First = (search.Page-1)*readmodel.PageSize + 1
	data.Last = data.First + len(page.Hits) - 1
	data.Nothing = len(page.Hits) == 0
	if search.Page > 1 {
		data.Previous = turn(r.URL, search.Page-1)
	}
	if data.Last < page.Total && search.Page < readmodel.MaxPage && !data.Nothing {
		data.Next = turn(r.URL, search.Page+1)
	}
	s.show(w, r, http.StatusOK, "index.html", data)
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
	for _, contentType := range slices.SortedFunc(maps.Keys(byType), func(a, b string) int {
		return cmp.Or(byType[b]-byType[a], strings.Compare(a, b))
	}) {
		p.Types = append(p.Types, choice{contentType, extract.Kind(contentType).Label(), byType[contentType], contentType == p.Search.ContentType})
	}
	for _, status := range content.Statuses() {
		if byStatus[status] > 0 || string(status) == p.Search.Status {
			p.Statuses = append(p.Statuses, choice{string(status), string(status), byStatus[status], string(status) == p.Search.Status})
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
