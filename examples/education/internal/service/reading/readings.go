package reading

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/examples/education/internal/service"
)

const (
	// maxReadings is how many documents are read at once.
	maxReadings = 8
	// maxKept is how many results are kept of which nobody knows yet.
	maxKept = 16
)

// errBusy is the answer to one document too many.
var errBusy = &service.StatusError{
	Code: http.StatusServiceUnavailable, Text: "too many documents are being read", After: time.Second,
}

// readings reads each document once, however often it is asked for meanwhile. A
// request ends with its deadline, but what it began is brought to its end and
// kept for the request that comes again: or a document that takes longer than any
// request may, would be read for ever.
type readings struct {
	read func(Reference) (extract.Document, error)

	mu       sync.Mutex
	known    map[Reference]*reading
	underWay int
	kept     []Reference // those of known that are done, and that nobody waited for; the oldest first
}

type reading struct {
	done    chan struct{} // closed when the fields below it are set
	waiting int           // under mu of readings

	document extract.Document
	err      error
}

func newReadings(read func(Reference) (extract.Document, error)) *readings {
	return &readings{read: read, known: make(map[Reference]*reading)}
}

func (r *readings) get(ctx context.Context, reference Reference) (extract.Document, error) {
	one, err := r.join(reference)
	if err != nil {
		return extract.Document{}, err
	}
	select {
	case <-one.done:
		r.leave(reference, one, true)
		return one.document, one.err
	case <-ctx.Done():
		r.leave(reference, one, false)
		return extract.Document{}, fmt.Errorf("reading: %w", context.Cause(ctx))
	}
}

// join returns the reading of a document, and begins it if there is none.
func (r *readings) join(reference Reference) (*reading, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.known[reference]
	if one == nil {
		if r.underWay == maxReadings {
			return nil, errBusy
		}
		one = &reading{done: make(chan struct{})}
		r.known[reference] = one
		r.underWay++
		go r.run(reference, one)
	}
	one.waiting++
	return one, nil
}

func (r *readings) run(reference Reference, one *reading) {
	one.err = errors.New("reading: it broke down") // if read panics, which ends the program
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.underWay--
		close(one.done)
		r.keep(reference, one)
	}()
	one.document, one.err = r.read(reference)
}

// leave is told that a request waits no longer, because it has fetched the result
// or because its time is over.
func (r *readings) leave(reference Reference, one *reading, fetched bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one.waiting--
	if !fetched {
		r.keep(reference, one)
		return
	}
	if r.known[reference] == one {
		r.forget(reference)
	}
}

func (r *readings) forget(reference Reference) {
	delete(r.known, reference)
	r.kept = slices.DeleteFunc(r.kept, func(kept Reference) bool { return kept == reference })
}

// keep keeps a result that is there and that nobody waits for, in place of the
// oldest one.
func (r *readings) keep(reference Reference, one *reading) {
	select {
	case <-one.done:
	default:
		return
	}
	if one.waiting > 0 || r.known[reference] != one {
		return
	}
	if one.err != nil && !errors.Is(one.err, extract.ErrRejected) {
		r.forget(reference) // trying again may help
		return
	}
	if slices.Contains(r.kept, reference) {
		return
	}
	if r.kept = append(r.kept, reference); len(r.kept) > maxKept {
		r.forget(r.kept[0])
	}
}
