package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/parlance-go/parlance/breaker"
)

// charge is a call to another service, which is down.
func charge(context.Context) (string, error) {
	return "", errors.New("connection refused")
}

func ExampleNew() {
	b, err := breaker.New(breaker.Config{
		Name:         "payments",
		FailureRate:  0.5, // of at least 20 calls within 10 s
		ResetTimeout: 30 * time.Second,
		Probes:       3,
	})
	fmt.Println(b.Name(), b.State(), err)

	_, err = breaker.New(breaker.Config{FailureRate: 50})
	fmt.Println(err)
	// Output:
	// payments closed <nil>
	// breaker: Config.FailureRate is 50, want 0 to 1
}

func ExampleDo() {
	ctx := context.Background()
	b, err := breaker.New(breaker.Config{Name: "payments", ConsecutiveFailures: 2})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		receipt, err := breaker.Do(ctx, b, charge)
		if open, ok := errors.AsType[*breaker.OpenError](err); ok {
			fmt.Printf("%s is down, come back in %s\n", open.Name, open.RetryAfter().Round(time.Second))
			fmt.Println("it said:", open.Cause)
			continue
		}
		fmt.Printf("%q %v\n", receipt, err)
	}
	// Output:
	// "" connection refused
	// "" connection refused
	// payments is down, come back in 1m0s
	// it said: connection refused
}

func ExampleOpenError() {
	b, err := breaker.New(breaker.Config{Name: "payments", ConsecutiveFailures: 1})
	if err != nil {
		log.Fatal(err)
	}
	_, _ = breaker.Do(context.Background(), b, charge)
	_, err = breaker.Do(context.Background(), b, charge)
	fmt.Println(errors.Is(err, breaker.ErrOpen))

	open, _ := errors.AsType[*breaker.OpenError](err)
	fmt.Println(open.Name, open.State, open.Retryable(), open.Cause)
	fmt.Println(open.Until.Sub(open.Since))
	// Output:
	// true
	// payments open false connection refused
	// 1m0s
}

// A call that is not one function asks for a permit.
func ExampleBreaker_Acquire() {
	b, err := breaker.New(breaker.Config{})
	if err != nil {
		log.Fatal(err)
	}
	send := func(ctx context.Context) error {
		permit, err := b.Acquire(ctx)
		if err != nil {
			return err
		}
		defer permit.Done(breaker.Failure) // if what follows panics
		_, err = charge(ctx)
		permit.DoneErr(ctx, err)
		return err
	}
	fmt.Println(send(context.Background()))
	fmt.Println(b.Snapshot().ConsecutiveFailures)
	// Output:
	// connection refused
	// 1
}

// The outcome of a call need not be in its error.
func ExamplePermit_Done() {
	b, err := breaker.New(breaker.Config{})
	if err != nil {
		log.Fatal(err)
	}
	permit, err := b.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, line := range []string{"250 ok", "421 service not available"} {
		if line[0] == '4' {
			permit.Done(breaker.Failure)
		}
	}
	permit.Done(breaker.Success) // only the first report counts
	fmt.Println(b.Snapshot().Failures)
	// Output: 1
}

func ExamplePermit_DoneErr() {
	b, err := breaker.New(breaker.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	permit, err := b.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	cancel() // the caller leaves, which is no fault of the other side
	fmt.Println(permit.DoneErr(ctx, ctx.Err()))
	// Output: neutral
}

// An error that is an answer does not mean that the other side is down.
func ExampleConfig_classify() {
	errNotFound := errors.New("not found")
	b, err := breaker.New(breaker.Config{
		ConsecutiveFailures: 1,
		Classify: func(err error) breaker.Outcome {
			if errors.Is(err, errNotFound) {
				return breaker.Success
			}
			return breaker.Failure
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = breaker.Do(context.Background(), b, func(context.Context) (int, error) { return 0, errNotFound })
	fmt.Println(err, b.State())
	_, err = breaker.Do(context.Background(), b, charge)
	fmt.Println(err, b.State())
	// Output:
	// not found closed
	// connection refused open
}

// A health check may ask, and takes no probe away.
func ExampleBreaker_Err() {
	b, err := breaker.New(breaker.Config{ConsecutiveFailures: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(b.Err())
	_, _ = breaker.Do(context.Background(), b, charge)
	fmt.Println(errors.Is(b.Err(), breaker.ErrOpen), b.State())
	// Output:
	// <nil>
	// true open
}
