package policy

import (
	"io"
	"net/http"
)

// atEnd has end called when the body of a response has been read to its end, when
// reading it fails, and when it is closed; perhaps more than once, and by several
// goroutines. end is given the error of reading and returns that for the reader. It
// reports false, and will not call end, if there is no body to come.
func atEnd(r *http.Response, end func(error) error) bool {
	if r.Body == nil || r.Body == http.NoBody {
		return false
	}
	wrapped := &body{r.Body, end}
	r.Body = wrapped
	if w, ok := wrapped.ReadCloser.(io.Writer); ok { // of 101 Switching Protocols
		r.Body = &duplex{wrapped, w}
	}
	return true
}

// A body tells when it is not read any more.
type body struct {
	io.ReadCloser

	end func(error) error
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		err = b.end(err)
	}
	return n, err
}

func (b *body) Close() (err error) {
	defer func() { err = b.end(err) }()
	return b.ReadCloser.Close()
}

// A duplex is the body of a connection that has switched protocols.
type duplex struct {
	*body
	io.Writer
}
