package retry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

// quick is a policy that hardly waits.
func quick(t testing.TB, c retry.Config) *retry.Policy {
	t.Helper()
	c.BaseDelay, c.MaxDelay = time.Microsecond, time.Microsecond
	return newPolicy(t, c)
}

// send sends a request through a Transport and reads the response.
func send(t testing.TB, p *retry.Policy, base http.RoundTripper, r *http.Request) (code int, body string, err error) {
	t.Helper()
	response, err := retry.Transport(p, base).RoundTrip(r)
	if err != nil {
		assert.True(t, response == nil, "a response and an error")
		return 0, "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return response.StatusCode, string(data), err
}

// answers returns a base that answers with these codes in turn, the last one for
// ever, and counts the requests.
func answers(requests *int, codes ...int) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
			r.Body.Close()
		}
		*requests++
		return respond(r, codes[min(*requests, len(codes))-1], "body"), nil
	}
}

func TestTransport_retriesOnlyWhatMayComeTwice(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method, header string
		want           int
	}{
		{"", "", 3},
		{"GET", "", 3},
		{"HEAD", "", 3},
		{"OPTIONS", "", 3},
		{"TRACE", "", 3},
		{"PUT", "", 3},
		{"DELETE", "", 3},
		{"POST", "", 1},
		{"PATCH", "", 1},
		{"CONNECT", "", 1},
		{"PROPFIND", "", 1},
		{"get", "", 1},
		{"POST", retry.IdempotencyKey, 3},
		{"PATCH", retry.IdempotencyKey, 3},
		{"POST", "X-Idempotency-Key", 3},
		{"POST", "Idempotency", 1},
	} {
		for _, empty := range []bool{true, false} {
			r := newRequest(t, "GET", "http://a/", strings.NewReader("body"))
			r.Method = test.method
			if empty {
				r.Body, r.GetBody = nil, nil
			}
			if test.header != "" {
				r.Header[test.header] = []string{"1"}
			}
			requests := 0
			code, body, err := send(t, quick(t, retry.Config{}), answers(&requests, 503), r)
			assert.NoError(t, err)
			assert.Equal(t, code, 503)
			assert.Equal(t, body, "body")
			assert.Equal(t, requests, test.want, "%s with %q, without a body: %t", test.method, test.header, empty)
		}
	}
	// As net/http has it: the key is there, and is not sent.
	r := newRequest(t, "POST", "http://a/", nil)
	r.Header[retry.IdempotencyKey] = []string{}
	requests := 0
	_, _, err := send(t, quick(t, retry.Config{}), answers(&requests, 503), r)
	assert.NoError(t, err)
	assert.Equal(t, requests, 3)
}

func TestTransport_retriesWhatThePolicyDoes(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]int{200: 1, 204: 1, 302: 1, 400: 1, 401: 1, 403: 1, 404: 1, 429: 1, 500: 3, 501: 1, 502: 3, 503: 3, 504: 3} {
		requests := 0
		got, _, err := send(t, quick(t, retry.Config{}), answers(&requests, code), newRequest(t, "GET", "http://a/", nil))
		assert.NoError(t, err)
		assert.Equal(t, got, code)
		assert.Equal(t, requests, want, "status %d", code)
	}
	requests := 0
	p := quick(t, retry.Config{RetryIf: func(err error) bool {
		status, ok := errors.AsType[*retry.StatusError](err)
		return ok && status.Code == 404
	}})
	code, _, err := send(t, p, answers(&requests, 404, 404, 200), newRequest(t, "GET", "http://a/", nil))
	assert.NoError(t, err)
	assert.Equal(t, code, 200)
	assert.Equal(t, requests, 3)
}

func TestTransport_isAsItsBaseWithoutAnyFailure(t *testing.T) {
	t.Parallel()
	r := newRequest(t, "GET", "http://a/", nil)
	requests := 0
	response, err := retry.Transport(nil, answers(&requests, 200)).RoundTrip(r)
	assert.NoError(t, err)
	defer response.Body.Close()
	assert.True(t, response.Request == r, "the response is to another request")
}

// A request fails before it was sent only if there never was a connection.
func TestTransport_retriesAnyRequestThatWasNotSent(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errConnection{}}
	for name, test := range map[string]struct {
		err   error
		touch bool
		want  int
	}{
		"dialling failed":              {refused, false, 3},
		"dialling a proxy failed":      {&net.OpError{Op: "proxyconnect", Net: "tcp", Err: refused}, false, 3},
		"the name was not found":       {&net.DNSError{Err: "no such host", Name: "a", IsTemporary: true}, false, 3},
		"dialling failed, but read":    {refused, true, 1},
		"reading failed":               {&net.OpError{Op: "read", Net: "tcp", Err: errConnection{}}, true, 1},
		"writing failed":               {&net.OpError{Op: "write", Net: "tcp", Err: errConnection{}}, true, 1},
		"untouched, but not dialling":  {&net.OpError{Op: "write", Net: "tcp", Err: errConnection{}}, false, 1},
		"connected, but then rejected": {&net.OpError{Op: "proxyconnect", Net: "tcp", Err: errConnection{}}, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bodies := []io.Reader{strings.NewReader("body"), nil, http.NoBody}
			if test.touch {
				bodies = bodies[:1]
			}
			for _, body := range bodies {
				requests := 0
				base := roundTripper(func(r *http.Request) (*http.Response, error) {
					requests++
					if test.touch {
						_, _ = r.Body.Read(make([]byte, 1))
					}
					if r.Body != nil {
						r.Body.Close()
					}
					return nil, test.err
				})
				_, _, err := send(t, quick(t, retry.Config{}), base, newRequest(t, "POST", "http://a/", body))
				assert.ErrorIs(t, err, test.err)
				assert.Equal(t, requests, test.want)
			}
		})
	}
}

// errConnection is a network's timeout, which is transient.
type errConnection struct{}

func (errConnection) Error() string   { return "timed out" }
func (errConnection) Timeout() bool   { return true }
func (errConnection) Temporary() bool { return true }

func TestTransport_takesAClosedConnectionForOne(t *testing.T) {
	t.Parallel()
	requests := 0
	base := roundTripper(func(*http.Request) (*http.Response, error) {
		requests++
		return nil, io.EOF // as net/http reports it
	})
	_, _, err := send(t, quick(t, retry.Config{}), base, newRequest(t, "GET", "http://a/", nil))
	assert.ErrorIs(t, err, io.EOF)
	assert.Equal(t, requests, 3)
}

func TestTransport_neverComesEarlierThanAsked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		header func() string
		least  time.Duration
		gaveUp bool
	}{
		"seconds":         {func() string { return "7" }, 7 * time.Second, false},
		"a date":          {func() string { return time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat) }, 20 * time.Second, false},
		"a date long ago": {func() string { return "Sun, 06 Nov 1994 08:49:37 GMT" }, 0, false},
		"zero":            {func() string { return "0" }, 0, false},
		"the longest":     {func() string { return "60" }, time.Minute, false},
		"too long":        {func() string { return "61" }, 0, true},
		"huge":            {func() string { return "99999999999999999999999" }, 0, true},
		"nonsense":        {func() string { return "soon" }, 0, false},
	} {
		for _, code := range []int{503, 429} {
			if code == 429 && name == "nonsense" {
				continue // is none, and then 429 is not retried
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var sent []time.Time
					base := roundTripper(func(r *http.Request) (*http.Response, error) {
						sent = append(sent, time.Now())
						response := respond(r, 200, "")
						if len(sent) == 1 {
							response.StatusCode = code
							response.Header.Set("Retry-After", test.header())
						}
						return response, nil
					})
					got, _, err := send(t, nil, base, newRequest(t, "GET", "http://a/", nil))
					assert.NoError(t, err)
					if test.gaveUp {
						assert.Equal(t, got, code)
						assert.Equal(t, len(sent), 1)
						assert.Equal(t, time.Since(sent[0]), 0, "it waited in vain")
						return
					}
					assert.Equal(t, got, 200)
					waited := sent[1].Sub(sent[0])
					assert.True(t, waited >= test.least && waited <= test.least+100*time.Millisecond, "waited %v", waited)
				})
			})
		}
	}
}

func TestTransport_readsAtMost64KiBOfWhatNobodyWants(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{-1, 64 << 10, 1 << 30} {
		body := io.LimitReader(neverEnding('a'), 1<<30).(*io.LimitedReader)
		requests := 0
		base := roundTripper(func(r *http.Request) (*http.Response, error) {
			if requests++; requests > 1 {
				return respond(r, 200, ""), nil
			}
			response := respond(r, 503, "")
			response.Body, response.ContentLength = io.NopCloser(body), length
			return response, nil
		})
		_, _, err := send(t, quick(t, retry.Config{}), base, newRequest(t, "GET", "http://a/", nil))
		assert.NoError(t, err)
		read := 1<<30 - body.N
		if length > 64<<10 {
			assert.Equal(t, read, 0, "it could not be read to its end")
		} else {
			assert.Equal(t, read, 64<<10+1)
		}
	}
}

func TestTransport_tellsItsHooks(t *testing.T) {
	t.Parallel()
	var retries []int
	var gaveUp *retry.Error
	p := quick(t, retry.Config{Hooks: retry.Hooks{
		Retry:  func(r retry.Retry) { retries = append(retries, assert.ErrorAs[*retry.StatusError](t, r.Err).Code) },
		GiveUp: func(err *retry.Error) { gaveUp = err },
	}})
	requests := 0
	_, _, err := send(t, p, answers(&requests, 503, 502, 500), newRequest(t, "GET", "http://a/", nil))
	assert.NoError(t, err)
	assert.Equal(t, retries, []int{503, 502})
	assert.Equal(t, gaveUp.Last, error(&retry.StatusError{Code: 500}))
	assert.ErrorIs(t, gaveUp, retry.ErrAttempts)
	assert.Equal(t, gaveUp.Attempts, 3)
}

func TestTransport_returnsTheResponseWhenThereIsNoFurtherAttempt(t *testing.T) {
	t.Parallel()
	empty := newBudget(t, retry.BudgetConfig{NoFloor: true})
	for name, config := range map[string]retry.Config{
		"the budget is used up": {Budget: empty},
		"too late":              {BaseDelay: time.Hour, MaxDelay: time.Hour, Jitter: retry.NoJitter, Timeout: time.Minute},
		"one attempt":           {MaxAttempts: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requests := 0
			code, body, err := send(t, newPolicy(t, config), answers(&requests, 503), newRequest(t, "GET", "http://a/", nil))
			assert.NoError(t, err)
			assert.Equal(t, code, 503)
			assert.Equal(t, body, "body")
			assert.Equal(t, requests, 1)
		})
	}
}

func TestTransport_returnsItsErrorWhenTheContextEndsInTheDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		p := newPolicy(t, retry.Config{BaseDelay: time.Hour, MaxDelay: time.Hour, Jitter: retry.NoJitter})
		time.AfterFunc(time.Minute, func() { cancel(errReason) })
		requests := 0
		_, _, err := send(t, p, answers(&requests, 503), newRequest(t, "GET", "http://a/", nil).WithContext(ctx))
		assert.ErrorIs(t, err, errReason)
		assert.ErrorIs(t, err, context.Canceled)
		failed := assert.ErrorAs[*retry.Error](t, err)
		assert.Equal(t, failed.Last, error(&retry.StatusError{Code: 503}))
		assert.Equal(t, requests, 1)
	})
}

func TestTransport_sendsNothingWhenTheContextHasEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	requests, closed := 0, 0
	r := newRequest(t, "PUT", "http://a/", closing{neverRead{t}, &closed}).WithContext(ctx)
	_, _, err := send(t, nil, answers(&requests, 200), r)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, requests, 0)
	assert.Equal(t, closed, 1)
}

// neverRead is a body that must not be read.
type neverRead struct{ t *testing.T }

func (r neverRead) Read([]byte) (int, error) {
	r.t.Error("the body was read")
	return 0, io.EOF
}

func TestTransport_triesAgainAfterAnAttemptTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		base := roundTripper(func(r *http.Request) (*http.Response, error) {
			if requests++; requests < 3 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return respond(r, 200, ""), nil
		})
		p := quick(t, retry.Config{AttemptTimeout: time.Second})
		begin := time.Now()
		code, _, err := send(t, p, base, newRequest(t, "GET", "http://a/", nil))
		assert.NoError(t, err)
		assert.Equal(t, code, 200)
		assert.True(t, time.Since(begin) >= 2*time.Second)

		requests = -10
		_, _, err = send(t, p, base, newRequest(t, "GET", "http://a/", nil))
		assert.ErrorAs[*retry.TimeoutError](t, err)
		assert.Equal(t, requests, -7)

		requests = -10
		_, _, err = send(t, p, base, newRequest(t, "POST", "http://a/", nil))
		assert.ErrorAs[*retry.TimeoutError](t, err)
		assert.Equal(t, requests, -9, "it may have been sent")
	})
}

// Not every base reports the cause with which a context has ended.
func TestTransport_explainsATimeoutInTheBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := roundTripper(func(r *http.Request) (*http.Response, error) {
			response := respond(r, 200, "")
			response.Body = io.NopCloser(readerUntil{r.Context()})
			return response, nil
		})
		p := newPolicy(t, retry.Config{AttemptTimeout: time.Second})
		_, _, err := send(t, p, base, newRequest(t, "GET", "http://a/", nil))
		assert.Equal(t, err.Error(), "attempt timed out after 1s: context deadline exceeded")
		assert.ErrorAs[*retry.TimeoutError](t, err)

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, _, err = send(t, p, base, newRequest(t, "GET", "http://a/", nil).WithContext(ctx))
		assert.Equal(t, err, context.DeadlineExceeded)
	})
}

// readerUntil is a body that ends with its context.
type readerUntil struct{ ctx context.Context }

func (r readerUntil) Read([]byte) (int, error) {
	<-r.ctx.Done()
	return 0, r.ctx.Err()
}

func TestTransport_tellsEachAttemptTheTimeThatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var left []string
		base := roundTripper(func(r *http.Request) (*http.Response, error) {
			left = append(left, r.Header.Get(retry.TimeoutHeader))
			time.Sleep(400 * time.Millisecond)
			return respond(r, 503, ""), nil
		})
		p := quick(t, retry.Config{Timeout: 1500 * time.Millisecond, AttemptTimeout: time.Second})
		_, _, err := send(t, p, retry.DeadlineTransport(base), newRequest(t, "GET", "http://a/", nil))
		assert.NoError(t, err)
		assert.Equal(t, left[0], "1000")
		assert.Equal(t, left[1], "1000")
		assert.True(t, left[2] == "699" || left[2] == "700", "the last attempt had %s ms", left[2])
	})
}

func TestTransport_leavesTheRequestAsItIs(t *testing.T) {
	t.Parallel()
	for _, hedge := range []*retry.Hedge{nil, newHedge(t, retry.HedgeConfig{})} {
		r := newRequest(t, "PUT", "http://a/b?c", io.MultiReader(strings.NewReader("body")))
		r.Header.Set("A", "b")
		before, header := *r, r.Header.Clone()
		requests := 0
		base := roundTripper(func(sent *http.Request) (*http.Response, error) {
			assert.True(t, sent != r, "the request itself was sent")
			return answers(&requests, 503)(sent)
		})
		_, _, err := send(t, quick(t, retry.Config{Hedge: hedge}), base, r)
		assert.NoError(t, err)
		assert.Equal(t, r.Header, header)
		assert.True(t, r.Body == before.Body && r.GetBody == nil && r.Context() == before.Context() &&
			r.ContentLength == before.ContentLength && r.URL == before.URL)
	}
}

func TestTransport_survivesABaseThatBreaksItsContract(t *testing.T) {
	t.Parallel()
	_, _, err := send(t, nil, roundTripper(func(*http.Request) (*http.Response, error) { return nil, nil }), newRequest(t, "GET", "http://a/", nil))
	assert.Contains(t, err.Error(), "neither a response nor an error")

	requests := 0
	base := roundTripper(func(*http.Request) (*http.Response, error) {
		requests++
		return &http.Response{StatusCode: http.StatusServiceUnavailable}, nil // without a body
	})
	response, err := retry.Transport(quick(t, retry.Config{}), base).RoundTrip(newRequest(t, "GET", "http://a/", nil)) //nolint:bodyclose // there is none
	assert.NoError(t, err)
	assert.Equal(t, response.StatusCode, 503)
	assert.Equal(t, requests, 3)
}

func TestTransport_passesAPanicAndFreesEverything(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]retry.Config{
		"of the base":   {},
		"with a hedge":  {Hedge: newHedge(t, retry.HedgeConfig{})},
		"of a hook":     {Hooks: retry.Hooks{GiveUp: func(*retry.Error) { panic("oh") }}},
		"of its retry":  {Hooks: retry.Hooks{Retry: func(retry.Retry) { panic("oh") }}},
		"of its doubts": {RetryIf: func(error) bool { panic("oh") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var last context.Context
			base := roundTripper(func(r *http.Request) (*http.Response, error) {
				last = r.Context() //nolint:fatcontext // it is looked at, and nothing more
				if name == "of the base" || name == "with a hedge" {
					panic("oh")
				}
				return respond(r, 503, "body"), nil
			})
			value := assert.Panics(t, func() { _, _, _ = send(t, quick(t, config), base, newRequest(t, "GET", "http://a/", nil)) })
			assert.Equal(t, value, any("oh"))
			assert.Error(t, last.Err(), "the context of the attempt lives on")
		})
	}
}

type idleCloser struct {
	http.RoundTripper
	closed *atomic.Int32
}

func (c idleCloser) CloseIdleConnections() { c.closed.Add(1) }

func TestTransport_closesIdleConnectionsOfItsBase(t *testing.T) {
	t.Parallel()
	var closed atomic.Int32
	base := idleCloser{http.DefaultTransport, &closed}
	(&http.Client{Transport: retry.Transport(nil, retry.DeadlineTransport(base))}).CloseIdleConnections()
	assert.Equal(t, closed.Load(), 1)
	// And where there is nothing to close, nothing happens.
	(&http.Client{Transport: retry.Transport(nil, roundTripper(nil))}).CloseIdleConnections()
}

func TestTransport_hedgesOnlyWhatMayComeTwice(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method string
		body   func() io.Reader
		want   int32
	}{
		{"GET", func() io.Reader { return nil }, 2},
		{"PUT", func() io.Reader { return strings.NewReader("body") }, 2},
		{"PUT", func() io.Reader { return io.MultiReader(strings.NewReader("body")) }, 2},
		{"PUT", func() io.Reader { return io.LimitReader(neverEnding('a'), math.MaxInt32) }, 1},
		{"POST", func() io.Reader { return strings.NewReader("body") }, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			var requests atomic.Int32
			base := roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Body != nil {
					defer r.Body.Close()
				}
				requests.Add(1)
				time.Sleep(time.Second)
				return respond(r, 200, ""), nil
			})
			p := newPolicy(t, retry.Config{Hedge: newHedge(t, retry.HedgeConfig{})})
			_, _, err := send(t, p, base, newRequest(t, test.method, "http://a/", test.body()))
			assert.NoError(t, err)
			time.Sleep(time.Minute) // until the slower one has come
			assert.Equal(t, requests.Load(), test.want, "%s", test.method)
		})
	}
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte{byte(b)}, len(p)))
	return len(p), nil
}

// Two of three attempts answer 503, and the slowest 200: their responses are closed.
func TestTransport_closesTheResponsesOfHedgesThatLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		codes  []int // in the order of the attempts, which take 500, 600 and 700 ms
		want   int
		closed int32
	}{
		"the first wins":  {[]int{200, 200, 200}, 200, 2},
		"the last wins":   {[]int{503, 503, 200}, 200, 2},
		"the second wins": {[]int{503, 200, 503}, 200, 2},
		"nobody wins":     {[]int{503, 503, 502}, 502, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var requests, closed atomic.Int32
				base := roundTripper(func(r *http.Request) (*http.Response, error) {
					number := requests.Add(1)
					time.Sleep(500 * time.Millisecond) // whether or not its context ends
					response := respond(r, test.codes[number-1], "body")
					response.Body = &counted{response.Body, &closed}
					return response, nil
				})
				p := newPolicy(t, retry.Config{MaxAttempts: 1, Hedge: newHedge(t, retry.HedgeConfig{MaxHedges: 2})})
				response, err := retry.Transport(p, base).RoundTrip(newRequest(t, "GET", "http://a/", nil))
				assert.NoError(t, err)
				assert.Equal(t, response.StatusCode, test.want)
				time.Sleep(time.Minute)
				assert.Equal(t, closed.Load(), test.closed)
				assert.NoError(t, response.Request.Context().Err())
				text, err := io.ReadAll(response.Body)
				assert.NoError(t, err)
				assert.Equal(t, string(text), "body")
				response.Body.Close()
				assert.Equal(t, closed.Load(), test.closed+1)
			})
		})
	}
}

// The context ends at the moment at which the response comes: it is returned, or
// closed.
func TestTransport_losesNoResponseWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	for _, code := range []int{200, 503} {
		returned, dropped := 0, 0
		for range 300 {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var closed atomic.Int32
				base := roundTripper(func(r *http.Request) (*http.Response, error) {
					response := respond(r, code, "body")
					response.Body = &counted{response.Body, &closed}
					go cancel()
					runtime.Gosched()
					return response, nil
				})
				p := newPolicy(t, retry.Config{Hedge: newHedge(t, retry.HedgeConfig{})})
				response, err := retry.Transport(p, base).RoundTrip(newRequest(t, "GET", "http://a/", nil).WithContext(ctx))
				if err == nil {
					returned++
					response.Body.Close()
				} else {
					dropped++
					assert.ErrorIs(t, err, context.Canceled)
				}
				synctest.Wait()
				assert.Equal(t, closed.Load(), 1)
			})
		}
		t.Logf("status %d: %d were returned, %d closed", code, returned, dropped)
	}
}

// counted counts in how many responses Close was called.
type counted struct {
	io.ReadCloser
	closed *atomic.Int32
}

func (c *counted) Close() error {
	c.closed.Add(1)
	return c.ReadCloser.Close()
}
