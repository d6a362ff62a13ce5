package retry

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// requestBody hands a body to each attempt of a request.
type requestBody struct {
	first io.ReadCloser                 // for whoever comes first
	again func() (io.ReadCloser, error) // for all others; nil if there is no other
	taken atomic.Bool                   // whether first is
}

func (b *requestBody) empty() bool { return b.first == nil || b.first == http.NoBody }

// replays reports whether there is a body for more than one attempt.
func (b *requestBody) replays() bool { return b.empty() || b.again != nil }

// keep reads the body, so that it can be replayed. A body that is longer than
// MaxBufferedBody can not, but is sent whole. The error is that of reading; a body
// from which nothing comes is closed when ctx ends.
func (b *requestBody) keep(ctx context.Context, length int64) error {
	if length > MaxBufferedBody {
		return nil
	}
	source := &closedOnce{ReadCloser: b.first}
	b.first = source
	stop := context.AfterFunc(ctx, func() { _ = source.Close() })
	defer stop()
	data, err := io.ReadAll(io.LimitReader(source, MaxBufferedBody+1))
	if err != nil {
		return err
	}
	if len(data) > MaxBufferedBody {
		b.first = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(data), source), source}
		return nil
	}
	b.again = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	b.first, _ = b.again()
	return source.Close()
}

// next returns a body for one attempt.
func (b *requestBody) next() (io.ReadCloser, error) {
	if b.empty() || !b.taken.Swap(true) {
		return b.first, nil
	}
	return b.again()
}

// close closes the body if no attempt has taken it: whoever takes it closes it.
func (b *requestBody) close() {
	if !b.empty() && !b.taken.Swap(true) {
		b.first.Close()
	}
}

// closedOnce may be closed by several.
type closedOnce struct {
	io.ReadCloser
	once sync.Once
	err  error
}

func (b *closedOnce) Close() error {
	b.once.Do(func() { b.err = b.ReadCloser.Close() })
	return b.err
}

// watchedBody knows whether somebody has begun to read it.
type watchedBody struct {
	io.ReadCloser
	read atomic.Bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.read.Store(true)
	return b.ReadCloser.Read(p)
}
