package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/examples/education/internal/blob"
	"github.com/parlance-go/parlance/examples/education/internal/intake"
	"github.com/parlance-go/parlance/examples/education/internal/readmodel"
)

const (
	// maxFiles is how many files one request may bring.
	maxFiles = 100
	// patience is how long an upload waits for the read model to show it.
	patience = 2 * time.Second
)

// received is a file that a request has brought.
type received struct {
	intake.Receipt

	Name string
}

// receive takes in the files of a request, from a form or as its body. They go
// to the disk as they come.
func (s *Site) receive(w http.ResponseWriter, r *http.Request) ([]received, error) {
	// Room for several files, and for one that is a few times too large to be
	// read to its end, so that its visitor learns why it has failed.
	r.Body = http.MaxBytesReader(w, r.Body, 4*s.Intake.MaxSize+(64<<20))
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if mediaType == "multipart/form-data" {
		return s.receiveForm(r)
	}
	name := r.URL.Query().Get("name")
	if name == "" {
		return nil, badRequest("Send a form with files, or the bytes of one file and ?name=.")
	}
	receipt, err := s.Intake.Upload(r.Context(), name, r.Body)
	if err != nil {
		return nil, visitorFault(err)
	}
	return []received{{receipt, intake.Name(name)}}, nil
}

func (s *Site) receiveForm(r *http.Request) ([]received, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, badRequest("That is not a form: %v.", err)
	}
	var all []received
	for {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			if len(all) == 0 {
				return nil, badRequest("Choose a file first.")
			}
			return all, nil
		case err != nil && len(all) > 0:
			// What came before the form broke off is in; say so.
			return all, nil
		case err != nil:
			return nil, visitorFault(fmt.Errorf("%w: %w", blob.ErrSource, err))
		}
		// A browser sends an empty part without a name for no file at all.
		if part.FormName() != "file" || part.FileName() == "" {
			continue
		}
		if len(all) == maxFiles {
			return nil, badRequest("More than %d files at once are too many; the first %d were taken.", maxFiles, maxFiles)
		}
		one, err := s.receivePart(r.Context(), part)
		if err != nil {
			return nil, visitorFault(err)
		}
		all = append(all, one)
	}
}

func (s *Site) receivePart(ctx context.Context, part *multipart.Part) (received, error) {
	defer func() { _ = part.Close() }() // reads what is left of it; the form tells of errors
	receipt, err := s.Intake.Upload(ctx, part.FileName(), part)
	return received{receipt, intake.Name(part.FileName())}, err
}

// visitorFault tells a connection that broke off from a disk that is full.
func visitorFault(err error) error {
	var large *http.MaxBytesError
	if errors.Is(err, blob.ErrSource) && !errors.As(err, &large) {
		return badRequest("The upload broke off.")
	}
	return err
}

func (s *Site) upload(w http.ResponseWriter, r *http.Request) {
	all, err := s.receive(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.await(r.Context(), all)
	if len(all) == 1 {
		http.Redirect(w, r, "/contents/"+all[0].ID, http.StatusSeeOther) //nolint:gosec // an ID of ours
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// await gives the read model a moment to get as far as the visitor, who would
// look for what was just uploaded.
func (s *Site) await(ctx context.Context, all []received) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for _, one := range all {
		for {
			detail, err := cqrs.Ask(ctx, s.Queries, readmodel.Get{ID: one.ID})
			if err == nil && detail.Status.Settled() {
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}
}
