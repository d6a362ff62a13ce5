package policy_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/policy"
)

// Two reports may run at once and one may wait. Whoever comes then is told at once.
func ExampleBulkhead() {
	reports, err := policy.NewBulkhead(policy.BulkheadConfig{
		Name:          "reports",
		MaxConcurrent: 2,
		MaxQueue:      1,
		MaxWait:       10 * time.Millisecond,
	})
	if err != nil {
		panic(err)
	}
	run := func(ctx context.Context) error {
		place, err := reports.Acquire(ctx)
		if err != nil {
			return err
		}
		defer place.Done(breaker.Success)
		fmt.Println("under way:", reports.InFlight())
		return nil
	}
	fmt.Println(run(context.Background()))

	// A place can be held for as long as it is needed.
	first, _ := reports.Acquire(context.Background())
	second, _ := reports.Acquire(context.Background())
	err = run(context.Background())
	fmt.Println(errors.Is(err, policy.ErrFull), err)
	first.Done(breaker.Success)
	second.Done(breaker.Success)
	// Output:
	// under way: 1
	// <nil>
	// true policy: bulkhead "reports" is full and stayed so: its limit is 2, 1 wait
}

// The limit is found from the latency of the calls: here every call fails, which is
// taken for overload.
func ExampleGradient() {
	search, err := policy.NewBulkhead(policy.BulkheadConfig{
		Name:     "search",
		Adaptive: &policy.Gradient{InitialLimit: 50, MinLimit: 5},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("at first:", search.Limit())
	for range 50 {
		place, err := search.Acquire(context.Background())
		if err != nil {
			panic(err)
		}
		place.Done(breaker.Failure)
	}
	fmt.Println("after a round of failures:", search.Limit())
	// Output:
	// at first: 50
	// after a round of failures: 45
}
