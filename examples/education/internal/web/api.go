package web

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/readmodel"
)

func (s *Site) write(w http.ResponseWriter, status int, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		s.Logger.Error("answer failed", "error", err)
		status, data = http.StatusInternalServerError, []byte(`{"error":"Something went wrong here. The log says what."}`)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // a visitor who is gone needs no answer
}

func (s *Site) apiSearch(w http.ResponseWriter, r *http.Request) {
	query, err := wanted(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page, err := s.Search.Find(r.Context(), query)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if page.Hits == nil {
		page.Hits = []readmodel.Hit{}
	}
	s.write(w, http.StatusOK, map[string]any{
		"total": page.Total, "page": query.Page, "pageSize": readmodel.PageSize, "contents": page.Hits,
	})
}

// apiHealth says how the calls to the services fare. The page itself is there, or
// there were no answer.
func (s *Site) apiHealth(w http.ResponseWriter, _ *http.Request) {
	health, services := "ok", s.Services()
	for _, service := range services {
		if !service.Up() {
			health = "degraded"
		}
	}
	s.write(w, http.StatusOK, map[string]any{"status": health, "services": services})
}

func (s *Site) apiContent(w http.ResponseWriter, r *http.Request) {
	id, err := id(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	detail, err := cqrs.Ask(r.Context(), s.Queries, readmodel.Get{ID: id})
	switch {
	case errors.Is(err, readmodel.ErrNotFound):
		s.fail(w, r, errNoContent)
	case err != nil:
		s.fail(w, r, err)
	default:
		s.write(w, http.StatusOK, detail)
	}
}

// apiEvents writes the history of a content as CloudEvents, in the JSON batch
// format.
func (s *Site) apiEvents(w http.ResponseWriter, r *http.Request) {
	id, err := id(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	history, err := s.history(r.Context(), id)
	if err == nil && len(history) == 0 {
		err = errNoContent
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	batch := make([]eventstore.CloudEvent, len(history))
	for i, event := range history {
		batch[i] = eventstore.CloudEvent{Source: "/contents", Recorded: event}
	}
	w.Header().Set("Content-Type", "application/cloudevents-batch+json")
	s.write(w, http.StatusOK, batch)
}

// apiUpload answers with 201 if at least one of the files was new.
func (s *Site) apiUpload(w http.ResponseWriter, r *http.Request) {
	all, err := s.receive(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.await(r.Context(), all)
	type answer struct {
		ID    string `json:"id"`
		Name  string `json:"name"`
		Known bool   `json:"known"`
		URL   string `json:"url"`
	}
	status, answers := http.StatusOK, make([]answer, len(all))
	for i, one := range all {
		answers[i] = answer{one.ID, one.Name, one.Known, "/api/contents/" + one.ID}
		if !one.Known {
			status = http.StatusCreated
		}
	}
	s.write(w, status, map[string]any{"contents": answers})
}
