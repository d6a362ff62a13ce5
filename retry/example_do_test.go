package retry_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/parlance-go/parlance/retry"
)

// flaky answers at its n-th call.
func flaky(n int) func(context.Context) (string, error) {
	calls := 0
	return func(context.Context) (string, error) {
		calls++
		if calls < n {
			return "", &retry.StatusError{Code: 503}
		}
		return fmt.Sprintf("answered at call %d", calls), nil
	}
}

func ExampleDo() {
	answer, err := retry.Do(context.Background(), nil, flaky(3))
	fmt.Println(answer, err)
	// Output: answered at call 3 <nil>
}

func ExampleNew() {
	policy, err := retry.New(retry.Config{
		MaxAttempts:    5,
		BaseDelay:      10 * time.Millisecond,
		AttemptTimeout: time.Second,
		Timeout:        3 * time.Second,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := retry.Do(context.Background(), policy, flaky(5))
	fmt.Println(answer, err)

	_, err = retry.New(retry.Config{BaseDelay: time.Minute, MaxDelay: time.Second})
	fmt.Println(err)
	// Output:
	// answered at call 5 <nil>
	// retry: Config.BaseDelay is 1m0s, want at most MaxDelay, which is 1s
}

// A policy that differs from another in one point.
func ExamplePolicy_Config() {
	var shared *retry.Policy // the default

	config := shared.Config()
	config.MaxAttempts = 1
	once, _ := retry.New(config)

	_, err := retry.Do(context.Background(), once, flaky(2))
	fmt.Println(err)
	// Output: retry: gave up after 1 attempt: no attempts left: status 503 Service Unavailable
}

// What cannot succeed is not tried again, and the mark is gone from the error.
func ExamplePermanent() {
	errUnknown := errors.New("no such user")
	_, err := retry.Do(context.Background(), nil, func(context.Context) (string, error) {
		fmt.Println("attempt")
		return "", retry.Permanent(errUnknown)
	})
	fmt.Printf("%v: %T\n", err, err)
	// Output:
	// attempt
	// no such user: *errors.errorString
}

// The function knows how long the other side wants to be left alone.
func ExampleAfter() {
	begin, calls := time.Now(), 0
	_, err := retry.Do(context.Background(), nil, func(context.Context) (string, error) {
		calls++
		if calls == 1 {
			return "", retry.After(errors.New("overloaded"), 50*time.Millisecond)
		}
		fmt.Println("after 50 ms:", time.Since(begin) >= 50*time.Millisecond)
		return "", retry.After(errors.New("closed for maintenance"), time.Hour)
	})
	fmt.Println(err)
	// Output:
	// after 50 ms: true
	// retry: gave up after 2 attempts: the next attempt would come too late: closed for maintenance
}

// The error tells what happened, to people and to programs.
func ExampleError() {
	policy, _ := retry.New(retry.Config{MaxAttempts: 2, BaseDelay: time.Millisecond})
	_, err := retry.Do(context.Background(), policy, flaky(9))

	var failed *retry.Error
	if errors.As(err, &failed) {
		fmt.Println(failed.Attempts, "attempts, the last:", failed.Last)
	}
	var status *retry.StatusError
	fmt.Println("status found:", errors.As(err, &status))
	switch {
	case errors.Is(err, retry.ErrBudget):
		fmt.Println("the others use up the budget")
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("no time left")
	case errors.Is(err, retry.ErrAttempts):
		fmt.Println("no attempts left")
	}
	// Output:
	// 2 attempts, the last: status 503 Service Unavailable
	// status found: true
	// no attempts left
}

// A delay that ends after the deadline is not waited for.
func ExampleError_deadline() {
	policy, _ := retry.New(retry.Config{BaseDelay: time.Hour, MaxDelay: time.Hour, Jitter: retry.NoJitter})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := retry.Do(ctx, policy, flaky(2))
	fmt.Println(err)
	fmt.Println(errors.Is(err, retry.ErrDelay), errors.Is(err, context.DeadlineExceeded))
	// Output:
	// retry: gave up after 1 attempt: the next attempt would come too late: context deadline exceeded: status 503 Service Unavailable
	// true true
}

// Delays of cenkalti/backoff, in any version, drive the attempts.
func ExampleBackOff() {
	policy, _ := retry.New(retry.Config{
		MaxAttempts: 10,
		BackOff: func() retry.BackOff {
			source := backoff.NewExponentialBackOff(backoff.WithInitialInterval(time.Millisecond))
			return backoff.WithMaxRetries(source, 3)
		},
	})
	_, err := retry.Do(context.Background(), policy, flaky(9))
	fmt.Println(err)
	// Output: retry: gave up after 4 attempts: no attempts left: status 503 Service Unavailable
}

func ExampleHooks() {
	policy, _ := retry.New(retry.Config{
		BaseDelay: time.Millisecond,
		Jitter:    retry.NoJitter,
		Hooks: retry.Hooks{
			Retry: func(r retry.Retry) {
				fmt.Printf("attempt %d: %v; the next one in %v\n", r.Attempt, r.Err, r.Delay)
			},
			GiveUp: func(e *retry.Error) { fmt.Println("given up:", e.Reason) },
		},
	})
	_, _ = retry.Do(context.Background(), policy, flaky(9))
	// Output:
	// attempt 1: status 503 Service Unavailable; the next one in 1ms
	// attempt 2: status 503 Service Unavailable; the next one in 2ms
	// given up: no attempts left
}

func ExampleTransient() {
	// What a store calls a conflict is over at the next attempt.
	errConflict := errors.New("conflict")
	policy, _ := retry.New(retry.Config{
		RetryIf: func(err error) bool {
			return errors.Is(err, errConflict) || retry.Transient(err)
		},
	})
	calls := 0
	answer, err := retry.Do(context.Background(), policy, func(context.Context) (string, error) {
		calls++
		if calls == 1 {
			return "", errConflict
		}
		return "written", nil
	})
	fmt.Println(answer, err)
	// Output: written <nil>
}
