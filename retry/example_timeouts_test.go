package retry_test

import (
	"context"
	"fmt"
	"time"

	"github.com/parlance-go/parlance/retry"
)

func ExampleTimeouts() {
	timeouts := retry.Timeouts{ServiceToDatabase: 5 * time.Millisecond}
	fmt.Println(retry.GatewayToService, timeouts.For(retry.GatewayToService))
	fmt.Println(retry.ServiceToDatabase, timeouts.For(retry.ServiceToDatabase))

	ctx, cancel := timeouts.Context(context.Background(), retry.ServiceToDatabase)
	defer cancel()
	<-ctx.Done() // a query that takes too long
	fmt.Println(ctx.Err())
	fmt.Println(context.Cause(ctx))
	// Output:
	// gateway to service 5s
	// service to database 5ms
	// context deadline exceeded
	// retry: timeout of 5ms for service to database
}
