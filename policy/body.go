package policy

import (
	"io"
	"net/http"
)

// atEnd has end called when the body of a response has been read to its end, when
// reading it fails, and when it is closed; perhaps more than once, and by several
// goroutines. Before that explain may change the error of reading.
//
// It reports false, and will not call end, if the response is all there is: it has
// no body, or it is a 101, after which the connection is its caller's.
func atEnd(r *http.Response, explain func(error) error, end func()) bool {
	if r.Body == nil || r.Body == http.NoBody || r.StatusCode == http.StatusSwitchingProtocols {
		return false
	}
	r.Body = &body{r.Body, explain, end}
	return true
}

// A body tells when it is not read any more.
type body struct {
	io.ReadCloser

	explain func(error) error
	end     func()
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	if err != io.EOF { //nolint:errorlint // the contract of io.Reader
		err = b.explain(err)
	}
	b.end()
	return n, err
}

func (b *body) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
