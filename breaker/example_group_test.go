package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parlance-go/parlance/breaker"
)

// One tenant's database is down. Only that tenant is turned away.
func ExampleGroup() {
	databases, err := breaker.NewGroup(breaker.GroupConfig{
		Breaker: breaker.Config{Name: "database", ConsecutiveFailures: 2},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	query := func(_ context.Context, tenant string) (string, error) {
		if tenant == "acme" {
			return "", errors.New("connection refused")
		}
		return "42 rows", nil
	}

	ctx := context.Background()
	for range 3 {
		for _, tenant := range []string{"acme", "zenith"} {
			rows, err := breaker.Do(ctx, databases.For(tenant), func(ctx context.Context) (string, error) {
				return query(ctx, tenant)
			})
			if open, ok := errors.AsType[*breaker.OpenError](err); ok {
				fmt.Printf("%s is %s because of: %v\n", open.Name, open.State, open.Cause)
				continue
			}
			fmt.Println(tenant, rows, err)
		}
	}
	// Output:
	// acme  connection refused
	// zenith 42 rows <nil>
	// acme  connection refused
	// zenith 42 rows <nil>
	// database/acme is open because of: connection refused
	// zenith 42 rows <nil>
}

// Keys that need other rules than the rest get them by Configure.
func ExampleGroupConfig_configure() {
	hosts, err := breaker.NewGroup(breaker.GroupConfig{
		Breaker: breaker.Config{Name: "http"},
		Configure: func(host string, c breaker.Config) breaker.Config {
			switch host {
			case "reports.internal": // slow, and nobody waits for it
				c.ConsecutiveFailures, c.ResetTimeout = 20, 5*time.Minute
			case "legacy.internal": // only watched for now
				c.Mode = breaker.Shadow
			}
			return c
		},
		MaxBreakers: 500,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, host := range []string{"users.internal", "legacy.internal"} {
		b := hosts.For(host)
		fmt.Println(b.Name(), b.Mode())
	}
	// Output:
	// http/users.internal automatic
	// http/legacy.internal shadow
}

// All finds what is not closed, for a page about the health of a service.
func ExampleGroup_All() {
	hosts, err := breaker.NewGroup(breaker.GroupConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, host := range []string{"users.internal", "search.internal", "mail.internal"} {
		hosts.For(host)
	}
	hosts.For("search.internal").SetMode(breaker.ForcedOpen)

	fmt.Println(hosts.Len(), "breakers")
	for host, b := range hosts.All() {
		if b.State() != breaker.Closed {
			fmt.Println(host, "is", b.State())
		}
	}
	// Output:
	// 3 breakers
	// search.internal is open
}
