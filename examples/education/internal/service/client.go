package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// maxResponse is the largest body of an answer, in bytes. The longest text of a
// document fits, with every character escaped.
const maxResponse = 8 << 20

// Client calls a service. It is safe for concurrent use.
type Client struct {
	name    string
	url     string
	http    *http.Client
	breaker *breaker.Breaker
}

// NewClient returns a Client. The error says why calls cannot be made by these
// settings.
func NewClient(c Config) (*Client, error) {
	logger := c.Logger.With("service", c.Name)
	p, err := c.policy(logger)
	if err != nil {
		return nil, err
	}
	connections := &http.Transport{
		// There is one host, and no proxy on the way to it.
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     30 * time.Second,
	}
	return &Client{
		name: c.Name, url: c.URL, breaker: p.Breaker(),
		http: &http.Client{
			Transport:     policy.Transport(p, connections),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// CloseIdle closes the connections that no call uses, so that the other side need
// not wait for them when it ends.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// Get asks with a path and parameters, and reads the answer into a value. The
// errors are those of [Client.Post].
func (c *Client) Get(ctx context.Context, pathAndQuery string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+pathAndQuery, http.NoBody)
	if err != nil {
		return fmt.Errorf("service: %s: %w", c.name, err)
	}
	return c.do(request, into)
}

// Post sends a value, and reads the answer into another one. The key is the same
// for the same request, which may then come more than once.
//
// The error is a [*RefusedError] if the answer is no, and otherwise an
// [*UnavailableError], also if ctx has ended.
func (c *Client) Post(ctx context.Context, path, key string, value, into any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("service: %s: %w", c.name, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("service: %s: %w", c.name, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(retry.IdempotencyKey, key)
	return c.do(request, into)
}

func (c *Client) do(request *http.Request, into any) error {
	err := c.roundTrip(request, into)
	if _, refused := errors.AsType[*RefusedError](err); err == nil || refused {
		return err
	}
	return &UnavailableError{Service: c.name, Err: err}
}

func (c *Client) roundTrip(request *http.Request, into any) error {
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	// One more than allowed, to tell the largest answer from one that is too large.
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse+1))
	switch {
	case err != nil:
		return fmt.Errorf("the answer broke off: %w", err)
	case len(body) > maxResponse:
		return fmt.Errorf("the answer has more than %d bytes", maxResponse)
	case response.StatusCode != http.StatusOK:
		return refusal(response, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("the answer is not what it should be: %w", err)
	}
	return nil
}

// refusal returns what an answer says that is not what was asked for. Only the
// service itself can refuse: what does not look like its answer may be anybody's.
func refusal(response *http.Response, body []byte) error {
	var p problem
	if err := json.Unmarshal(body, &p); err != nil || p.Error == "" {
		return &StatusError{Code: response.StatusCode, Text: fmt.Sprintf("%.200q", body)}
	}
	if response.StatusCode == http.StatusUnprocessableEntity {
		return &RefusedError{Reason: p.Error}
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")) // 0 if it is missing
	return &StatusError{Code: response.StatusCode, Text: p.Error, After: time.Duration(seconds) * time.Second}
}
