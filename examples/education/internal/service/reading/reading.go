// Package reading is the processing service: it reads what a document says. A
// request names the document, by the hash under which its bytes are kept; the
// service has the bytes, and knows nothing of contents and what becomes of them.
package reading

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/parlance-go/parlance/examples/education/internal/blob"
	"github.com/parlance-go/parlance/examples/education/internal/extract"
)

// Reference names a document: what it is called, and the SHA-256 of its bytes in
// hexadecimal. What there is to be read in it follows from these two alone.
type Reference struct {
	FileName string `json:"fileName"`
	Hash     string `json:"hash"`
}

// Service reads documents. It is safe for concurrent use.
type Service struct {
	blobs    *blob.Folder
	limits   extract.Limits
	logger   *slog.Logger
	readings *readings
}

// New returns a Service that finds the bytes of documents in a folder.
func New(blobs *blob.Folder, limits extract.Limits, logger *slog.Logger) *Service {
	s := &Service{blobs: blobs, limits: limits, logger: logger}
	s.readings = newReadings(s.read)
	return s
}

// Read reads a document. The error matches extract.ErrRejected if the document
// cannot be used. Otherwise it says nothing about the document: too many are being
// read, ctx has ended, or the disk does not give the bytes.
func (s *Service) Read(ctx context.Context, reference Reference) (extract.Document, error) {
	return s.readings.get(ctx, reference)
}

func (s *Service) read(reference Reference) (extract.Document, error) {
	file, err := s.blobs.Get(reference.Hash)
	if errors.Is(err, blob.ErrGone) {
		return extract.Document{}, &extract.RejectedError{Reason: "its bytes are no longer there"}
	}
	if err != nil {
		return extract.Document{}, fmt.Errorf("reading: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	document, err := s.extract(reference.FileName, io.TeeReader(file, hash))
	if err == nil && hex.EncodeToString(hash.Sum(nil)) != reference.Hash {
		err = &extract.RejectedError{Reason: "its bytes are no longer what they were"}
	}
	return document, err
}

// extract reads a file. A parser that panics has met a file that it should have
// rejected; the next file must not suffer for it.
func (s *Service) extract(fileName string, r io.Reader) (_ extract.Document, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			s.logger.Error("a parser panicked", "file", fileName, "panic", reason, "stack", string(debug.Stack()))
			err = &extract.RejectedError{Reason: "the program that reads such files broke down on it"}
		}
	}()
	return extract.Read(fileName, r, s.limits)
}
