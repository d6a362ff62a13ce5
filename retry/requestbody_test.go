package retry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

func TestTransport_replaysBodies(t *testing.T) {
	t.Parallel()
	exact := strings.Repeat("a", retry.MaxBufferedBody)
	longer := exact + "b"
	unknown := func(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) }
	for name, test := range map[string]struct {
		body   io.Reader
		length int64 // 0: as NewRequest finds out
		text   string
		want   int // attempts
	}{
		"by GetBody":               {strings.NewReader("body"), 0, "body", 3},
		"by GetBody, however long": {strings.NewReader(longer), 0, longer, 3},
		"of unknown length":        {unknown("body"), -1, "body", 3},
		"of unstated length":       {unknown("body"), 0, "body", 3},
		"of known length":          {unknown("body"), 4, "body", 3},
		"up to the bound":          {unknown(exact), -1, exact, 3},
		"not beyond":               {unknown(longer), -1, longer, 1},
		"not beyond, if known":     {unknown(longer), int64(len(longer)), longer, 1},
		"none":                     {nil, 0, "", 3},
		"an empty one":             {http.NoBody, 0, "", 3},
		"one that is empty":        {unknown(""), -1, "", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRequest(t, "PUT", "http://a/", test.body)
			if test.length != 0 {
				r.ContentLength = test.length
			}
			var texts []string
			base := roundTripper(func(sent *http.Request) (*http.Response, error) {
				assert.Equal(t, sent.ContentLength, r.ContentLength)
				text := ""
				if sent.Body != nil {
					data, err := io.ReadAll(sent.Body)
					assert.NoError(t, err)
					assert.NoError(t, sent.Body.Close())
					text = string(data)
				}
				texts = append(texts, text)
				if test.want > 1 && text != "" { // net/http uses it when a connection breaks
					again, err := sent.GetBody()
					assert.NoError(t, err)
					data, _ := io.ReadAll(again)
					assert.True(t, string(data) == text, "GetBody gives another body")
				}
				return respond(sent, 503, ""), nil
			})
			_, _, err := send(t, quick(t, retry.Config{}), base, r)
			assert.NoError(t, err)
			assert.Equal(t, len(texts), test.want)
			for _, text := range texts {
				assert.True(t, text == test.text, "sent %d bytes, want %d", len(text), len(test.text))
			}
		})
	}
}

// A body that is known to be empty stays so: net/http sends any other in chunks.
func TestTransport_leavesAnEmptyBodyEmpty(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"POST", "PUT"} {
		base := roundTripper(func(sent *http.Request) (*http.Response, error) {
			assert.True(t, sent.Body == http.NoBody, "the body is a %T", sent.Body)
			return respond(sent, 503, ""), nil
		})
		_, _, err := send(t, quick(t, retry.Config{}), base, newRequest(t, method, "http://a/", strings.NewReader("")))
		assert.NoError(t, err)
	}
}

// What is not to be sent again is not read ahead of the base either.
func TestTransport_readsABodyOnlyToReplayIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method string
		length int64
		config retry.Config
	}{
		"of a POST":               {"POST", -1, retry.Config{}},
		"of a policy of one":      {"PUT", -1, retry.Config{MaxAttempts: 1}},
		"of one known to be long": {"PUT", retry.MaxBufferedBody + 1, retry.Config{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := 0
			r := newRequest(t, test.method, "http://a/", closing{neverRead{t}, &closed})
			r.ContentLength = test.length
			base := roundTripper(func(sent *http.Request) (*http.Response, error) {
				assert.Equal(t, sent.ContentLength, test.length)
				sent.Body.Close()
				return respond(sent, 200, ""), nil
			})
			_, _, err := send(t, quick(t, test.config), base, r)
			assert.NoError(t, err)
			assert.Equal(t, closed, 1)
		})
	}
}

func TestTransport_closesTheBodyOnEveryPath(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	long := io.LimitReader(neverEnding('a'), retry.MaxBufferedBody+10)
	for name, test := range map[string]struct {
		body    io.Reader
		getBody func() (io.ReadCloser, error)
		err     error // of the base; nil is a response 503
		want    error
	}{
		"kept":                  {strings.NewReader("body"), nil, nil, nil},
		"sent once":             {long, nil, nil, nil},
		"an error of the base":  {strings.NewReader("body"), nil, broken, broken},
		"an error of the body":  {io.MultiReader(strings.NewReader("body"), failingReader{broken}), nil, nil, broken},
		"an error of GetBody":   {strings.NewReader("body"), func() (io.ReadCloser, error) { return nil, broken }, nil, broken},
		"replaced by GetBody":   {strings.NewReader("body"), func() (io.ReadCloser, error) { return http.NoBody, nil }, nil, nil},
		"a panic of the body":   {io.MultiReader(strings.NewReader("body"), panickingReader{}), nil, nil, nil},
		"a body that is closed": {failingReader{http.ErrBodyReadAfterClose}, nil, nil, http.ErrBodyReadAfterClose},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := 0
			r := newRequest(t, "PUT", "http://a/", closing{test.body, &closed})
			r.GetBody = test.getBody
			base := roundTripper(func(sent *http.Request) (*http.Response, error) {
				_, err := io.Copy(io.Discard, sent.Body)
				assert.NoError(t, err)
				sent.Body.Close()
				if test.err != nil {
					return nil, test.err
				}
				return respond(sent, 503, ""), nil
			})
			if name == "a panic of the body" {
				assert.Panics(t, func() { _, _, _ = send(t, quick(t, retry.Config{}), base, r) })
			} else {
				_, _, err := send(t, quick(t, retry.Config{}), base, r)
				assert.True(t, errors.Is(err, test.want), "%v", err)
			}
			assert.Equal(t, closed, 1)
		})
	}
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

type panickingReader struct{}

func (panickingReader) Read([]byte) (int, error) { panic("no") }

// A body that waits for something is closed when the time is over, which ends its
// Read: so net/http demands of it.
func TestTransport_doesNotWaitForABodyBeyondTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		r := newRequest(t, "PUT", "http://a/", reader)
		begin := time.Now()
		_, _, err := send(t, newPolicy(t, retry.Config{Timeout: time.Second}), roundTripper(func(*http.Request) (*http.Response, error) {
			t.Error("it was sent")
			return nil, io.EOF
		}), r)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Contains(t, err.Error(), "timeout of 1s")
		assert.Equal(t, time.Since(begin), time.Second)
		_, err = writer.Write([]byte("a"))
		assert.ErrorIs(t, err, io.ErrClosedPipe)
	})
}

// Concurrent attempts read bodies of their own.
func TestTransport_hedgesEachWithABodyOfItsOwn(t *testing.T) {
	t.Parallel()
	text := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	for name, body := range map[string]func() io.Reader{
		"by GetBody": func() io.Reader { return bytes.NewReader(text) },
		"kept":       func() io.Reader { return io.MultiReader(bytes.NewReader(text)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				read := make(chan []byte, 4)
				base := roundTripper(func(r *http.Request) (*http.Response, error) {
					var got bytes.Buffer
					for more := true; more; {
						n, _ := io.CopyN(&got, r.Body, 4096)
						more = n > 0
						time.Sleep(10 * time.Millisecond) // so that they overlap
					}
					r.Body.Close()
					read <- got.Bytes()
					r.Header.Get("A")
					return respond(r, 200, ""), nil
				})
				p := newPolicy(t, retry.Config{Hedge: newHedge(t, retry.HedgeConfig{Delay: 15 * time.Millisecond, MaxHedges: 3})})
				r := newRequest(t, "PUT", "http://a/", body())
				_, _, err := send(t, p, base, r)
				assert.NoError(t, err)
				r.Header.Set("A", "b") // the caller may, now that the response is read
				r.URL.Host = "b"
				for range 4 {
					assert.True(t, bytes.Equal(<-read, text), "an attempt read another body")
				}
			})
		})
	}
}
