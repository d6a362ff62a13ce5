package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

var unavailable = answer{status: http.StatusServiceUnavailable}

func retried(ctx context.Context, out io.Writer, server *flaky) error {
	server.will(unavailable, unavailable, ok)
	retries, err := retry.New(retry.Config{
		BaseDelay: 20 * time.Millisecond,
		Hooks: retry.Hooks{Retry: func(r retry.Retry) {
			fmt.Fprintf(out, "attempt %d: %s\n", r.Attempt, r.Err)
		}},
	})
	if err != nil {
		return err
	}
	client := &http.Client{Transport: retry.Transport(retries, nil)}
	text, err := get(ctx, client, server.url)
	fmt.Fprintln(out, text)
	return err
}

func patient(ctx context.Context, out io.Writer, server *flaky) error {
	server.will(answer{status: http.StatusTooManyRequests, retryAfter: "1"}, ok)
	client := &http.Client{Transport: retry.Transport(nil, nil)}
	begin := time.Now()
	text, err := get(ctx, client, server.url)
	fmt.Fprintf(out, "%s, not before one second was over: %t\n", text, time.Since(begin) >= time.Second)
	return err
}

func idempotent(ctx context.Context, out io.Writer, server *flaky) error {
	client := &http.Client{Transport: retry.Transport(nil, nil)}
	server.will(unavailable, ok)
	without, err := post(ctx, client, server.url, "")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "without a key:", without)

	server.will(unavailable, ok)
	with, err := post(ctx, client, server.url, "order-42")
	fmt.Fprintln(out, "with a key:", with)
	return err
}

func timed(ctx context.Context, out io.Writer, server *flaky) error {
	server.will(answer{status: http.StatusOK, after: 5 * time.Second}, ok)
	retries, err := retry.New(retry.Config{
		Hooks: retry.Hooks{Retry: func(r retry.Retry) {
			var timeout *retry.TimeoutError
			fmt.Fprintf(out, "attempt %d timed out: %t\n", r.Attempt, errors.As(r.Err, &timeout))
		}},
	})
	if err != nil {
		return err
	}
	p, err := policy.New(policy.Config{Name: "slow", Timeout: 4 * time.Second, AttemptTimeout: 200 * time.Millisecond, Retry: retries})
	if err != nil {
		return err
	}
	text, err := get(ctx, p.Client("slow"), server.url)
	fmt.Fprintln(out, text)
	return err
}

func told(ctx context.Context, out io.Writer, server *flaky) error {
	server.will(unavailable, ok)
	retries, err := retry.New(retry.Config{BaseDelay: 50 * time.Millisecond, Jitter: retry.EqualJitter})
	if err != nil {
		return err
	}
	p, err := policy.New(policy.Config{Name: "deadline", Timeout: 10 * time.Second, Retry: retries})
	if err != nil {
		return err
	}
	text, err := get(ctx, p.Client("deadline"), server.url)
	if err != nil {
		return err
	}
	left := server.timesLeft()
	fmt.Fprintf(out, "%s; the second attempt had less than the first: %t\n", text, left[1] < left[0])
	return nil
}

func hedged(ctx context.Context, out io.Writer, server *flaky) error {
	server.will(answer{status: http.StatusOK, after: 5 * time.Second}, ok)
	hedge, err := retry.NewHedge(retry.HedgeConfig{Delay: 50 * time.Millisecond})
	if err != nil {
		return err
	}
	p, err := policy.New(policy.Config{Name: "tail", Timeout: 10 * time.Second, Hedge: hedge})
	if err != nil {
		return err
	}
	text, err := get(ctx, p.Client("tail"), server.url)
	fmt.Fprintln(out, text, "was faster than the first")
	return err
}

func thrifty(ctx context.Context, out io.Writer, server *flaky) error {
	server.will(unavailable)
	budget, err := retry.NewBudget(retry.BudgetConfig{NoFloor: true})
	if err != nil {
		return err
	}
	retries, err := retry.New(retry.Config{Budget: budget, BaseDelay: time.Millisecond})
	if err != nil {
		return err
	}
	client := &http.Client{Transport: retry.Transport(retries, nil)}
	const calls = 50
	for range calls {
		if _, err := get(ctx, client, server.url); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%d calls, of up to 3 attempts each, were %d requests\n", calls, server.seen())
	return nil
}

func bounded(ctx context.Context, out io.Writer, server *flaky) error {
	server.will(answer{status: http.StatusOK, after: time.Second})
	bulkhead, err := policy.NewBulkhead(policy.BulkheadConfig{Name: "slow", MaxConcurrent: 2})
	if err != nil {
		return err
	}
	p, err := policy.New(policy.Config{Name: "slow", Bulkhead: bulkhead})
	if err != nil {
		return err
	}
	client := p.Client("slow")
	results := make([]error, 2)
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() { _, results[i] = get(ctx, client, server.url) })
	}
	for begin := time.Now(); bulkhead.InFlight() < 2; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			group.Wait()
			return errors.Join(append(results, errors.New("two calls are not under way"))...)
		}
	}
	full := 0
	for range 8 {
		if _, err := get(ctx, client, server.url); errors.Is(err, policy.ErrFull) {
			full++
		}
	}
	group.Wait()
	fmt.Fprintf(out, "two calls are under way; of eight more %d are turned away\n", full)
	return errors.Join(results...)
}

func broken(ctx context.Context, out io.Writer, server *flaky) error {
	server.will(unavailable)
	b, err := breaker.New(breaker.Config{Name: "down", ResetTimeout: 300 * time.Millisecond, Hooks: printTransitions(out)})
	if err != nil {
		return err
	}
	client := &http.Client{Transport: breaker.Transport(b, nil)}
	rejected := 0
	for range 20 {
		if _, err := get(ctx, client, server.url); errors.Is(err, breaker.ErrOpen) {
			rejected++
		} else if err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "20 calls: %d requests, %d rejected\n", server.seen(), rejected)

	server.will(ok)
	time.Sleep(b.Snapshot().RetryAfter)
	text, err := get(ctx, client, server.url)
	fmt.Fprintln(out, text)
	return err
}
