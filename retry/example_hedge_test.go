package retry_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/parlance-go/parlance/retry"
)

// The first replica hangs. After 10 ms another one is asked, and the first is told
// that nobody waits for it any more.
func ExampleHedge() {
	hedge, err := retry.NewHedge(retry.HedgeConfig{Delay: 10 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	policy, err := retry.New(retry.Config{Hedge: hedge})
	if err != nil {
		fmt.Println(err)
		return
	}
	var replicas atomic.Int32
	cancelled := make(chan int32, 1)
	answer, err := retry.Do(context.Background(), policy, func(ctx context.Context) (string, error) {
		replica := replicas.Add(1)
		if replica == 1 {
			<-ctx.Done()
			cancelled <- replica
			return "", ctx.Err()
		}
		return fmt.Sprint("replica ", replica), nil
	})
	fmt.Println(answer, err)
	fmt.Println("cancelled: replica", <-cancelled)
	// Output:
	// replica 2 <nil>
	// cancelled: replica 1
}

// A learned delay is that fixed one until there are enough samples.
func ExampleHedge_Delay() {
	hedge, err := retry.NewHedge(retry.HedgeConfig{Quantile: 0.95, Delay: 200 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	policy, err := retry.New(retry.Config{Hedge: hedge})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(hedge.Delay())
	for range 50 {
		_, _ = retry.Do(context.Background(), policy, func(context.Context) (int, error) { return 1, nil })
	}
	fmt.Println("less than before:", hedge.Delay() < 200*time.Millisecond)
	// Output:
	// 200ms
	// less than before: true
}
