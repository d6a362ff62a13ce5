package policy_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// What cannot work is refused when the policy is made, and not found out in an
// outage.
func ExampleNew() {
	retries, err := retry.New(retry.Config{BaseDelay: time.Second})
	if err != nil {
		panic(err)
	}
	payments, err := policy.New(policy.Config{
		Name:           "payments",
		Timeout:        10 * time.Second,
		Retry:          retries,
		AttemptTimeout: 2 * time.Second,
	})
	fmt.Println(payments.Name(), err)

	_, err = policy.New(policy.Config{Timeout: 5 * time.Second, AttemptTimeout: 10 * time.Second})
	fmt.Println(err)
	_, err = policy.New(policy.Config{Timeout: 3 * time.Second, Retry: retries})
	fmt.Println(err)
	// Output:
	// payments <nil>
	// policy: Config.AttemptTimeout is 10s, which is not less than Timeout 5s: the attempt could never run into it
	// policy: Config.Retry makes 3 attempts with delays of up to 3s in all, which reach Timeout 3s: the last attempt would come too late
}

func ExampleDo() {
	retries, err := retry.New(retry.Config{BaseDelay: time.Millisecond})
	if err != nil {
		panic(err)
	}
	guard, err := breaker.New(breaker.Config{Name: "payments", ConsecutiveFailures: 4})
	if err != nil {
		panic(err)
	}
	payments, err := policy.New(policy.Config{
		Name: "payments", Timeout: 10 * time.Second, Retry: retries, Breaker: guard,
	})
	if err != nil {
		panic(err)
	}

	calls := 0
	charge := func(context.Context) (string, error) {
		if calls++; calls == 1 {
			return "", &retry.StatusError{Code: 503}
		}
		return "receipt 42", nil
	}
	receipt, err := policy.Do(context.Background(), payments, charge)
	fmt.Println(receipt, err, "after", calls, "calls")

	down := func(context.Context) (string, error) { return "", &retry.StatusError{Code: 503} }
	for range 3 {
		_, err = policy.Do(context.Background(), payments, down)
		gaveUp, _ := errors.AsType[*retry.Error](err)
		fmt.Println(gaveUp != nil, errors.Is(err, breaker.ErrOpen))
	}
	// Output:
	// receipt 42 <nil> after 2 calls
	// true false
	// true true
	// false true
}

// A limit of calls per second, for all goroutines that use the policy.
func ExampleLimiter() {
	limited, err := policy.New(policy.Config{
		Name:  "search",
		Limit: rate.NewLimiter(rate.Every(time.Hour), 2), // two at once, then one an hour
	})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range 3 {
		_, err = policy.Do(ctx, limited, func(context.Context) (string, error) { return "found", nil })
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
	// policy: limit "search": rate: Wait(n=1) would exceed context deadline
}
