package retry_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parlance-go/parlance/retry"
)

// Everything fails. 100 calls of 3 attempts would be 300; a budget of a tenth lets
// 10 be added.
func ExampleBudget() {
	budget, err := retry.NewBudget(retry.BudgetConfig{Ratio: 0.1, NoFloor: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	policy, err := retry.New(retry.Config{BaseDelay: time.Microsecond, Budget: budget})
	if err != nil {
		fmt.Println(err)
		return
	}
	attempts, refused := 0, 0
	for range 100 {
		_, err := retry.Do(context.Background(), policy, func(context.Context) (string, error) {
			attempts++
			return "", &retry.StatusError{Code: 503}
		})
		if errors.Is(err, retry.ErrBudget) {
			refused++
		}
	}
	fmt.Println("attempts:", attempts)
	fmt.Println("calls that would have been tried again:", refused)
	fmt.Println("left:", budget.Balance())
	// Output:
	// attempts: 110
	// calls that would have been tried again: 100
	// left: 0
}
