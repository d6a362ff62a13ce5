package main

import (
	"context"
	"errors"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// naive tries three times, as most of us have written it once.
func naive() (caller, error) {
	return func(ctx context.Context, call func(context.Context) error) error {
		var err error
		for range 3 {
			if err = call(ctx); err == nil {
				return nil
			}
			time.Sleep(100 * time.Millisecond)
		}
		return err
	}, nil
}

// budgeted tries three times too, with jitter, and only as long as retries are not
// more than a fifth of the calls.
func budgeted() (caller, error) {
	retries, err := newRetries()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, call func(context.Context) error) error {
		_, err := retry.Do(ctx, retries, noResult(call))
		return err
	}, nil
}

// guarded adds a timeout and a breaker.
func guarded() (caller, error) {
	retries, err := newRetries()
	if err != nil {
		return nil, err
	}
	b, err := breaker.New(breaker.Config{ResetTimeout: 500 * time.Millisecond, MaxResetTimeout: time.Second})
	if err != nil {
		return nil, err
	}
	p, err := policy.New(policy.Config{Timeout: 2 * time.Second, Retry: retries, Breaker: b})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, call func(context.Context) error) error {
		_, err := policy.Do(ctx, p, noResult(call))
		return err
	}, nil
}

func newRetries() (*retry.Policy, error) {
	budget, err := retry.NewBudget(retry.BudgetConfig{NoFloor: true})
	if err != nil {
		return nil, err
	}
	return retry.New(retry.Config{Budget: budget})
}

func noResult(call func(context.Context) error) func(context.Context) (struct{}, error) {
	return func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) }
}

// waitOf returns how long an error asks to wait.
func waitOf(err error) time.Duration {
	var open *breaker.OpenError
	if errors.As(err, &open) {
		return open.RetryAfter()
	}
	return 0
}
