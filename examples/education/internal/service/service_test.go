package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/examples/education/internal/service"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// quick are settings with which a test need not wait.
func quick() policy.Settings {
	return policy.Settings{
		Retry:   retry.Config{BaseDelay: time.Millisecond},
		Breaker: breaker.Config{ResetTimeout: 20 * time.Millisecond, MaxResetTimeout: 20 * time.Millisecond},
	}
}

// serve runs a service, and returns its address and a client. All that is logged
// goes to the log.
func serve(t *testing.T, log io.Writer, calls policy.Settings, handler http.HandlerFunc) (string, *service.Client) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(log, nil))
	server, err := service.Listen(t.Context(), "test", handler, logger)
	assert.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := server.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	client, err := service.NewClient(service.Config{
		Name: "test", URL: server.URL(), Hop: retry.ServiceToService, Calls: calls, Logger: logger,
	})
	assert.NoError(t, err)
	t.Cleanup(func() {
		client.CloseIdle()
		stop()
		group.Wait()
	})
	return server.URL(), client
}

type value struct {
	Text string `json:"text"`
}

// echo answers with the request, or with what is wrong with it.
func echo(w http.ResponseWriter, r *http.Request) {
	var v value
	if err := service.Decode(r, &v); err != nil {
		service.Fail(w, r, slog.New(slog.DiscardHandler), err)
		return
	}
	service.Answer(w, v)
}

func TestRequestsThatAreRefused(t *testing.T) {
	url, _ := serve(t, io.Discard, quick(), echo)
	json := "application/json"
	for name, test := range map[string]struct {
		contentType, body string
		header            map[string]string
		want              int
	}{
		"fine":             {json, `{"text":"a"}`, nil, 200},
		"fine, charset":    {json + "; charset=utf-8", `{"text":"a"}`, nil, 200},
		"unknown field":    {json, `{"text":"a","more":1}`, nil, 400},
		"another type":     {json, `{"text":1}`, nil, 400},
		"something after":  {json, `{"text":"a"}{}`, nil, 400},
		"rubbish after":    {json, `{"text":"a"}]`, nil, 400},
		"half a value":     {json, `{"text":`, nil, 400},
		"nothing":          {json, ``, nil, 400},
		"no JSON":          {"text/plain", `{"text":"a"}`, nil, 415},
		"no type":          {"", `{"text":"a"}`, nil, 415},
		"too large":        {json, `{"text":"` + strings.Repeat("a", 64<<10) + `"}`, nil, 413},
		"a foreign host":   {json, `{"text":"a"}`, map[string]string{"Host": "evil.example"}, 421},
		"localhost":        {json, `{"text":"a"}`, map[string]string{"Host": "localhost"}, 421},
		"no time left":     {json, `{"text":"a"}`, map[string]string{retry.TimeoutHeader: "0"}, 504},
		"a time that's no": {json, `{"text":"a"}`, map[string]string{retry.TimeoutHeader: "soon"}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(test.body))
			assert.NoError(t, err)
			request.Header.Set("Content-Type", test.contentType)
			for name, value := range test.header {
				request.Header.Set(name, value)
			}
			request.Host = request.Header.Get("Host")
			response, err := http.DefaultClient.Do(request)
			assert.NoError(t, err)
			defer response.Body.Close()
			text, err := io.ReadAll(response.Body)
			assert.NoError(t, err)
			assert.Equal(t, response.StatusCode, test.want, "%s", text)
		})
	}
}

func TestAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string // "" if it is refused
	}{
		"refused": {func(w http.ResponseWriter, _ *http.Request) { service.Refuse(w, "it is empty") }, ""},
		"a 422 that is not the service's": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<h1>proxy</h1>", http.StatusUnprocessableEntity)
		}, "422"},
		"not found": {http.NotFound, "404"},
		"moved":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "302"},
		"a panic":   {func(http.ResponseWriter, *http.Request) { panic("parser") }, "500 Internal Server Error: the service broke down"},
		"no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"no JSON":   {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }, "not what it should be"},
		"half of it": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			fmt.Fprint(w, `{"text`)
		}, "broke off"},
		"too much": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 8<<20+1)) }, "more than 8388608 bytes"},
		"an own fault": {func(w http.ResponseWriter, r *http.Request) {
			service.Fail(w, r, slog.New(slog.DiscardHandler), errors.New("the disk is full"))
		}, "500 Internal Server Error: something went wrong in the service"},
	} {
		t.Run(name, func(t *testing.T) {
			_, client := serve(t, io.Discard, quick(), test.handler)
			var got value
			err := client.Post(t.Context(), "/", "key", value{"a"}, &got)
			if test.want == "" {
				assert.Equal(t, assert.ErrorAs[*service.RefusedError](t, err).Reason, "it is empty")
				return
			}
			_, refused := errors.AsType[*service.RefusedError](err)
			assert.False(t, refused, "%v", err)
			assert.Equal(t, assert.ErrorAs[*service.UnavailableError](t, err).Service, "test")
			assert.Contains(t, err.Error(), test.want)
			assert.False(t, strings.Contains(err.Error(), "disk"), "what is the service's own business")
		})
	}
}

// TestTheSameRequestComesAgain: with its body and its key, and with less time.
func TestTheSameRequestComesAgain(t *testing.T) {
	type seen struct {
		key, left string
		value
	}
	var mu sync.Mutex
	var all []seen
	var log strings.Builder
	_, client := serve(t, &log, quick(), func(w http.ResponseWriter, r *http.Request) {
		one := seen{key: r.Header.Get(retry.IdempotencyKey), left: r.Header.Get(retry.TimeoutHeader)}
		if err := json.NewDecoder(r.Body).Decode(&one.value); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if all = append(all, one); len(all) < 3 {
			service.Fail(w, r, slog.New(slog.DiscardHandler), &service.StatusError{Code: http.StatusServiceUnavailable, Text: "busy"})
			return
		}
		service.Answer(w, one.value)
	})
	var got value
	assert.NoError(t, client.Post(t.Context(), "/", "the key", value{"body"}, &got))
	assert.Equal(t, got.Text, "body")
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, len(all), 3)
	for _, one := range all {
		assert.Equal(t, one.Text, "body")
		assert.Equal(t, one.key, "the key")
		assert.True(t, len(one.left) == 4 && one.left <= "9999", "%s ms of 10 s", one.left)
	}
	assert.Equal(t, strings.Count(log.String(), "call failed, will try again"), 2, "%s", &log)
}

// TestTheDeadlineHoldsOverThere: also if the caller stays on the line.
func TestTheDeadlineHoldsOverThere(t *testing.T) {
	left := make(chan time.Duration, 1)
	url, client := serve(t, io.Discard, quick(), func(w http.ResponseWriter, r *http.Request) {
		deadline, _ := r.Context().Deadline()
		select {
		case left <- time.Until(deadline):
		default:
		}
		<-r.Context().Done()
		service.Fail(w, r, slog.New(slog.DiscardHandler), context.Cause(r.Context()))
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := client.Get(ctx, "/", new(value)) // of the two, either may be the first to see that it is late
	assert.ErrorAs[*service.UnavailableError](t, err)
	got := <-left
	assert.True(t, 0 < got && got <= 300*time.Millisecond, "%v", got)

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	assert.NoError(t, err)
	request.Header.Set(retry.TimeoutHeader, "20")
	response, err := http.DefaultClient.Do(request)
	assert.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, response.StatusCode, http.StatusGatewayTimeout)
}

// TestABreakerOpensAndCloses, and says so.
func TestABreakerOpensAndCloses(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	var calls atomic.Int64
	var back atomic.Bool
	settings := quick()
	settings.Breaker.ResetTimeout, settings.Breaker.MaxResetTimeout = time.Second, time.Second
	_, client := serve(t, &log, settings, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1); !back.Load() {
			panic(http.ErrAbortHandler)
		}
		service.Answer(w, value{"back"})
	})
	assert.Equal(t, client.Status(), service.Status{Name: "test", Breaker: "closed"})
	var err error
	for range 10 {
		err = client.Get(t.Context(), "/", new(value))
		assert.Error(t, err)
	}
	assert.True(t, calls.Load() < 10, "%d calls to what is down", calls.Load())
	assert.ErrorIs(t, err, breaker.ErrOpen)
	unavailable := assert.ErrorAs[*service.UnavailableError](t, err)
	assert.True(t, 0 < unavailable.RetryAfter() && unavailable.RetryAfter() <= time.Second, "%v", unavailable.RetryAfter())
	// A reaction looks for this. With a no, it would stop for good.
	assert.True(t, assert.ErrorAs[interface {
		error
		Retryable() bool
	}](t, err).Retryable())
	status := client.Status()
	assert.False(t, status.Up(), "%v", status)
	assert.True(t, status.Failures >= 5 && status.Rejected > 0, "%v", status)

	back.Store(true)
	for deadline := time.Now().Add(10 * time.Second); client.Get(t.Context(), "/", new(value)) != nil; {
		assert.True(t, time.Now().Before(deadline), "the breaker stays open")
		time.Sleep(time.Millisecond) // until the breaker asks: it is real time that goes by over a real connection
	}
	assert.True(t, client.Status().Up())
	assert.Contains(t, log.String(), "breaker opens")
	assert.Contains(t, log.String(), "breaker closes")
}

func TestRequestsEndBeforeTheServer(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	begun, goOn := make(chan struct{}), make(chan struct{})
	server, err := service.Listen(t.Context(), "test", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-goOn
		service.Answer(w, value{"done"})
	}), logger)
	assert.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	client, err := service.NewClient(service.Config{Name: "test", URL: server.URL(), Logger: logger})
	assert.NoError(t, err)
	answered := make(chan error, 1)
	var got value
	go func() { answered <- client.Get(t.Context(), "/", &got) }()
	<-begun
	stop()
	select {
	case err := <-ended:
		t.Fatal("ended before its request: ", err)
	case <-time.After(50 * time.Millisecond): // enough for most of those that would
	}
	close(goOn)
	assert.NoError(t, <-answered)
	assert.Equal(t, got.Text, "done")
	assert.NoError(t, <-ended)
	assert.NoError(t, server.Close())
	assert.NoError(t, server.Close())
}

func TestSettingsThatCannotWork(t *testing.T) {
	_, err := service.NewClient(service.Config{
		Name: "search", Hop: retry.GatewayToService, Logger: slog.New(slog.DiscardHandler),
		Calls: policy.Settings{Retry: retry.Config{BaseDelay: time.Minute}},
	})
	assert.Contains(t, fmt.Sprint(err), `policy: settings for "search", gateway to service: `)
}
