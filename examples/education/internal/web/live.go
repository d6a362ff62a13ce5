package web

import (
	"context"
	"net/http"
	"time"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/content"
)

// changes tells a page, by server-sent events, that something has happened, so
// that it can look again.
func (s *Site) changes(w http.ResponseWriter, r *http.Request) {
	select {
	case s.live <- struct{}{}:
		defer func() { <-s.live }()
	default:
		s.fail(w, r, &visitorError{http.StatusServiceUnavailable, "Too many pages are open."})
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stop := context.AfterFunc(s.life, cancel) //nolint:contextcheck // both contexts end this answer
	defer stop()
	now, err := s.Store.Now(ctx)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	control := http.NewResponseController(w)
	// This answer may take longer than the server allows others.
	if err := control.SetWriteDeadline(time.Time{}); err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if _, err := w.Write([]byte("retry: 2000\n\n")); err != nil || control.Flush() != nil {
		return
	}
	filter := eventstore.Filter{Categories: []string{content.Category}}
	for batch, err := range s.Store.SubscribeBatches(ctx, now, filter) {
		if err != nil {
			return // the page connects again
		}
		if len(batch.Events) == 0 {
			continue
		}
		if _, err := w.Write([]byte("data: changed\n\n")); err != nil || control.Flush() != nil {
			return
		}
	}
}
