package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

// roundTripper is a function as an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// respond returns a response with a body.
func respond(r *http.Request, code int, body string) *http.Response {
	return &http.Response{
		StatusCode: code, Header: http.Header{}, Request: r, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)),
	}
}

// closing is a body that counts how often it is closed.
type closing struct {
	io.Reader
	closed *int
}

func (c closing) Close() error {
	*c.closed++
	return nil
}

func newRequest(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	assert.NoError(t, err)
	return r
}

func TestDeadlineTransport_tellsTheTimeThatIsLeft(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		timeout time.Duration
		want    string
	}{
		{time.Second, "1000"},
		{1999 * time.Microsecond, "1"},
		{time.Millisecond, "1"},
		{100 * 365 * 24 * time.Hour, "3153600000000"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
			defer cancel()
			sent := ""
			base := roundTripper(func(r *http.Request) (*http.Response, error) {
				sent = r.Header.Get(retry.TimeoutHeader)
				return respond(r, 200, ""), nil
			})
			r := newRequest(t, "GET", "http://a/", nil).WithContext(ctx)
			r.Header.Set(retry.TimeoutHeader, "7")
			response, err := retry.DeadlineTransport(base).RoundTrip(r)
			assert.NoError(t, err)
			response.Body.Close()
			assert.Equal(t, sent, test.want)
			assert.Equal(t, r.Header.Get(retry.TimeoutHeader), "7", "the caller's request was changed")
		})
	}
}

func TestDeadlineTransport_sendsAsItIsWithoutADeadline(t *testing.T) {
	t.Parallel()
	r := newRequest(t, "GET", "http://a/", nil)
	base := roundTripper(func(sent *http.Request) (*http.Response, error) {
		assert.True(t, sent == r, "it is another request")
		return respond(sent, 200, ""), nil
	})
	response, err := retry.DeadlineTransport(base).RoundTrip(r)
	assert.NoError(t, err)
	response.Body.Close()
}

func TestDeadlineTransport_doesNotSendWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	for _, left := range []time.Duration{time.Millisecond - 1, 1, 0, -time.Second, math.MinInt64} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			defer cancel()
			closed := 0
			r := newRequest(t, "PUT", "http://a/", closing{strings.NewReader("a"), &closed}).WithContext(ctx)
			base := roundTripper(func(*http.Request) (*http.Response, error) {
				t.Error("it was sent")
				return nil, io.EOF
			})
			response, err := (&http.Client{Transport: retry.DeadlineTransport(base)}).Do(r) //nolint:bodyclose // there is none
			assert.True(t, response == nil)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			timeout, ok := errors.AsType[interface {
				error
				Timeout() bool
			}](err)
			assert.True(t, ok && timeout.Timeout(), "%v is no timeout", err)
			assert.True(t, closed > 0, "the body was not closed")
		})
	}
}

func TestDeadlineTransport_worksWithoutAHeader(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	r := newRequest(t, "GET", "http://a/", nil).WithContext(ctx)
	r.Header = nil
	base := roundTripper(func(sent *http.Request) (*http.Response, error) {
		assert.NotEqual(t, sent.Header.Get(retry.TimeoutHeader), "")
		return respond(sent, 200, ""), nil
	})
	response, err := retry.DeadlineTransport(base).RoundTrip(r)
	assert.NoError(t, err)
	response.Body.Close()
	assert.True(t, r.Header == nil)
}

// serve gives a request with these values of the header to a DeadlineHandler. It
// returns the answer, and the deadline that the handler behind had.
func serve(ctx context.Context, limit time.Duration, values ...string) (answer *httptest.ResponseRecorder, left time.Duration, cause error) {
	left = -1
	handler := retry.DeadlineHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		left = math.MaxInt64
		if deadline, ok := r.Context().Deadline(); ok {
			left = time.Until(deadline)
			<-r.Context().Done()
			cause = context.Cause(r.Context())
		}
	}), limit)
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	if values != nil {
		r.Header[retry.TimeoutHeader] = values
	}
	answer = httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	return answer, left, cause
}

func TestDeadlineHandler_givesTheDeadlineThatWasAskedFor(t *testing.T) {
	t.Parallel()
	const none = math.MaxInt64
	const most = 100 * 365 * 24 * time.Hour
	for name, test := range map[string]struct {
		limit  time.Duration
		values []string
		want   time.Duration
		cause  string
	}{
		"no header":               {0, nil, none, ""},
		"a limit alone":           {time.Second, nil, time.Second, "retry: timeout of 1s for any request"},
		"a header alone":          {0, []string{"250"}, 250 * time.Millisecond, "retry: timeout of 250ms asked for by the caller"},
		"a header below a limit":  {time.Second, []string{"250"}, 250 * time.Millisecond, "retry: timeout of 250ms asked for by the caller"},
		"a header above a limit":  {time.Second, []string{"1500"}, time.Second, "retry: timeout of 1s for any request"},
		"a negative limit":        {-time.Second, nil, none, ""},
		"the same twice":          {0, []string{"250", "250"}, 250 * time.Millisecond, "retry: timeout of 250ms asked for by the caller"},
		"zeros in front":          {0, []string{"000250"}, 250 * time.Millisecond, "retry: timeout of 250ms asked for by the caller"},
		"more than a duration is": {0, []string{"99999999999999999999"}, most, "retry: timeout of 876000h0m0s asked for by the caller"},
		"much, and a limit":       {time.Second, []string{"99999999999999999999"}, time.Second, "retry: timeout of 1s for any request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				answer, left, cause := serve(t.Context(), test.limit, test.values...)
				assert.Equal(t, answer.Code, 200)
				assert.Equal(t, left, test.want)
				if test.cause != "" {
					assert.Equal(t, cause.Error(), test.cause)
					assert.ErrorIs(t, cause, context.DeadlineExceeded)
				}
			})
		})
	}
}

func TestDeadlineHandler_neverExtendsADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, left, _ := serve(ctx, 5*time.Second, "3000")
		assert.Equal(t, left, time.Second)
	})
}

func TestDeadlineHandler_answersItselfWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"0", "000"} {
		answer, left, _ := serve(t.Context(), time.Second, value)
		assert.Equal(t, answer.Code, 504)
		assert.Equal(t, left, -1, "the handler was called")
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.Sleep(time.Second)
		answer, left, _ := serve(ctx, 0, "100")
		assert.Equal(t, answer.Code, 504)
		assert.Equal(t, left, -1, "the handler was called")
	})
}

func TestDeadlineHandler_refusesWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	for _, values := range [][]string{
		{""},
		{" 5"},
		{"5 "},
		{"+5"},
		{"-5"},
		{"5ms"},
		{"0x5"},
		{"1e3"},
		{"1.5"},
		{"1_000"},
		{"٥"},
		{"5,5"},
		{"\x00"},
		{strings.Repeat("0", 33)},
		{strings.Repeat("9", 100_000)},
		{"5", "6"},
		{"5", ""},
		{"", "5"},
	} {
		answer, left, _ := serve(t.Context(), time.Second, values...)
		assert.Equal(t, answer.Code, 400, "%.50q", values)
		assert.Equal(t, left, -1, "the handler was called for %.50q", values)
		assert.Contains(t, answer.Body.String(), "retry: X-Request-Timeout-Ms ")
		assert.True(t, answer.Body.Len() < 200, "the answer to %.50q has %d bytes", values, answer.Body.Len())
	}
}

func TestDeadlineHandler_needsAHandler(t *testing.T) {
	t.Parallel()
	assert.Panics(t, func() { retry.DeadlineHandler(nil, 0) })
}

// Whatever comes: digits, and only they, are read as the number that they are; or
// as the largest.
func FuzzDeadlineHandler(f *testing.F) {
	for _, seed := range []string{"", "0", "1", "250", "-1", "+1", " 1", "00", "3153600000000", "3153600000001", "9223372036854775808", "٣"} {
		f.Add(seed)
	}
	const most = 100 * 365 * 24 * 3600 * 1000
	f.Fuzz(func(t *testing.T, value string) {
		left := time.Duration(-1)
		handler := retry.DeadlineHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			deadline, _ := r.Context().Deadline()
			left = time.Until(deadline)
		}), 0)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		r.Header[retry.TimeoutHeader] = []string{value}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)

		number, ok := new(big.Int).SetString(value, 10)
		switch {
		case !ok || len(value) > 32 || strings.Trim(value, "0123456789") != "":
			assert.Equal(t, answer.Code, 400)
		case number.Sign() == 0:
			assert.Equal(t, answer.Code, 504)
		default:
			assert.Equal(t, answer.Code, 200)
			want := int64(most)
			if number.IsInt64() {
				want = min(number.Int64(), want)
			}
			late := time.Duration(want)*time.Millisecond - left
			assert.True(t, late >= 0 && late < 10*time.Second, "%q gave %v", value, left)
			return
		}
		assert.Equal(t, left, -1, "the handler was called for %q", value)
	})
}

// A client gives 2 s to a service, which calls another: each hears what is left
// after the time that has gone.
func TestDeadline_shrinksFromHopToHop(t *testing.T) {
	t.Parallel()
	heard := make(chan int, 2)
	hear := func(r *http.Request) {
		ms, _ := strconv.Atoi(r.Header.Get(retry.TimeoutHeader))
		heard <- ms
	}
	database := httptest.NewServer(retry.DeadlineHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hear(r)
		deadline, ok := r.Context().Deadline()
		assertHandler(t, ok && time.Until(deadline) <= 2*time.Second)
		fmt.Fprint(w, "found")
	}), time.Minute))
	defer database.Close()
	service := httptest.NewServer(retry.DeadlineHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hear(r)
		time.Sleep(20 * time.Millisecond) // servers on real sockets need real time
		// As a proxy does: with all headers that came.
		out, err := http.NewRequestWithContext(r.Context(), http.MethodGet, database.URL, nil)
		assertHandler(t, err == nil)
		out.Header = r.Header.Clone()
		response, err := retry.DeadlineTransport(nil).RoundTrip(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		_, _ = io.Copy(w, response.Body)
	}), time.Minute))
	defer service.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	client := &http.Client{Transport: retry.DeadlineTransport(service.Client().Transport)}
	defer client.CloseIdleConnections()
	response, err := client.Do(newRequest(t, "GET", service.URL, nil).WithContext(ctx))
	assert.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	assert.NoError(t, err)
	assert.Equal(t, string(text), "found")
	first, second := <-heard, <-heard
	assert.True(t, first > 0 && first < 2000, "the first hop heard %d ms", first)
	assert.True(t, second > 0 && second <= first-20, "the second hop heard %d ms, the first %d ms", second, first)
}

// assertHandler is for the goroutines of servers, which must not stop the test.
func assertHandler(t *testing.T, ok bool) {
	if !ok {
		t.Error("the handler saw something else")
	}
}
