package reading

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/examples/education/internal/service"
)

// Name is what errors and the log call the service.
const Name = "processing"

const path = "/documents"

// Handler answers a POST of a [Reference] with an [extract.Document], or refuses
// one that cannot be used, with the reason.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+path, s.answer)
	return mux
}

func (s *Service) answer(w http.ResponseWriter, r *http.Request) {
	var reference Reference
	if err := service.Decode(r, &reference); err != nil {
		service.Fail(w, r, s.logger, err)
		return
	}
	document, err := s.Read(r.Context(), reference)
	if rejected, ok := errors.AsType[*extract.RejectedError](err); ok {
		service.Refuse(w, rejected.Reason)
		return
	}
	if err != nil {
		service.Fail(w, r, s.logger, err)
		return
	}
	service.Answer(w, document)
}

// Client calls the service. It is safe for concurrent use.
type Client struct{ *service.Client }

// Read is [Service.Read], over there. The error matches extract.ErrRejected if the
// document cannot be used, and otherwise is a *service.UnavailableError.
func (c Client) Read(ctx context.Context, reference Reference) (extract.Document, error) {
	var document extract.Document
	err := c.Post(ctx, path, key(reference), reference, &document)
	if refused, ok := errors.AsType[*service.RefusedError](err); ok {
		return document, &extract.RejectedError{Reason: refused.Reason}
	}
	return document, err
}

// key is the same for the same document, whoever asks and when: reading it twice
// comes to the same as once.
func key(reference Reference) string {
	hash := sha256.Sum256([]byte(reference.Hash + "\x00" + reference.FileName))
	return hex.EncodeToString(hash[:])
}
