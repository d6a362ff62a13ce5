package breaker_test

import (
	"context"
	"fmt"
	"log"

	"github.com/parlance-go/parlance/breaker"
)

// An operator takes a service out of use, and a breaker that is new to it is
// watched before it may reject.
func ExampleBreaker_SetMode() {
	ctx := context.Background()
	b, err := breaker.New(breaker.Config{ConsecutiveFailures: 1, Mode: breaker.Shadow})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		_, err := breaker.Do(ctx, b, charge)
		fmt.Println(b.Mode(), b.State(), err)
	}
	fmt.Println("would have rejected", b.Snapshot().Rejected)

	b.SetMode(breaker.Automatic) // begins closed
	fmt.Println(b.Mode(), b.State())

	b.SetMode(breaker.ForcedOpen)
	_, err = breaker.Do(ctx, b, func(context.Context) (string, error) { return "receipt", nil })
	fmt.Println(b.Mode(), b.State(), err != nil)
	// Output:
	// shadow open connection refused
	// shadow open connection refused
	// shadow open connection refused
	// would have rejected 2
	// automatic closed
	// forced-open open true
}

func ExampleHooks() {
	b, err := breaker.New(breaker.Config{
		Name:                "payments",
		ConsecutiveFailures: 2,
		Hooks: breaker.Hooks{
			Transition: func(t breaker.Transition) {
				fmt.Printf("%s: %v to %v (%v) after %d failures: %v\n",
					t.Name, t.From, t.To, t.Mode, t.Snapshot.ConsecutiveFailures, t.Cause)
			},
			Rejected: func(err *breaker.OpenError) {
				fmt.Println(err.Name, "rejects")
			},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		_, _ = breaker.Do(context.Background(), b, charge)
	}
	b.SetMode(breaker.Disabled)
	// Output:
	// payments: closed to open (automatic) after 2 failures: connection refused
	// payments rejects
	// payments: open to closed (disabled) after 0 failures: <nil>
}

func ExampleBreaker_Snapshot() {
	b, err := breaker.New(breaker.Config{FailureRate: 0.5})
	if err != nil {
		log.Fatal(err)
	}
	_, _ = breaker.Do(context.Background(), b, charge)
	_, _ = breaker.Do(context.Background(), b, func(context.Context) (int, error) { return 42, nil })
	s := b.Snapshot()
	fmt.Println(s.State, s.Mode)
	fmt.Printf("%+v\n", s.Window)
	fmt.Println(s.Successes, s.Failures, s.Rejected)
	// Output:
	// closed automatic
	// {Successes:1 Failures:1 Slow:0}
	// 1 1 0
}
