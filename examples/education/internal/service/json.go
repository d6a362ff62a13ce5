package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// problem is the body of an answer that is not what was asked for.
type problem struct {
	Error string `json:"error"`
}

// Decode reads the body of a request: one JSON value without anything that into
// does not have. The error is for [Fail].
func Decode(r *http.Request, into any) error {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return &StatusError{Code: http.StatusUnsupportedMediaType, Text: "want application/json"}
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is something after the value")
		}
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &StatusError{Code: http.StatusRequestEntityTooLarge, Text: fmt.Sprintf("want at most %d bytes", large.Limit)}
	case err != nil:
		return BadRequest("%v", err)
	}
	return nil
}

// Answer writes a value as JSON.
func Answer(w http.ResponseWriter, value any) { answer(w, http.StatusOK, value) }

// Refuse writes that the answer is no, for a reason that will be the same if the
// request comes again.
func Refuse(w http.ResponseWriter, reason string) {
	answer(w, http.StatusUnprocessableEntity, problem{reason})
}

// Fail writes what is wrong. What is the service's own fault goes to the log, and
// the caller learns no more than that.
func Fail(w http.ResponseWriter, r *http.Request, logger *slog.Logger, err error) {
	var known *StatusError
	switch {
	case errors.As(err, &known):
	case errors.Is(r.Context().Err(), context.DeadlineExceeded):
		known = &StatusError{Code: http.StatusGatewayTimeout, Text: "the time of the request is over"}
	case r.Context().Err() != nil:
		return // nobody waits for an answer
	default:
		logger.Error("request failed", "path", r.URL.Path, "error", err)
		known = &StatusError{Code: http.StatusInternalServerError, Text: "something went wrong in the service"}
	}
	if known.After > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(Seconds(known.After)))
	}
	answer(w, known.Code, problem{known.Text})
}

// Seconds returns a duration in whole seconds, as Retry-After has it: rounded up,
// and at least 1.
func Seconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }

// answer writes a value, or, if that fails, nothing of it.
func answer(w http.ResponseWriter, status int, value any) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // texts have many of these, and no page shows the answer
	if err := encoder.Encode(value); err != nil {
		panic(err) // our own types are all fit for JSON
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who is gone needs no answer
}
