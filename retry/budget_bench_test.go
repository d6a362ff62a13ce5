package retry_test

import (
	"testing"

	"github.com/parlance-go/parlance/retry"
)

// BenchmarkBudget is what a budget adds to each call, and to each retry.
func BenchmarkBudget(b *testing.B) {
	budget := newBudget(b, retry.BudgetConfig{})
	b.Run("deposit/parlance", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			budget.Deposit()
		}
	})
	b.Run("deposit-parallel/parlance", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				budget.Deposit()
			}
		})
	})
	b.Run("withdraw/parlance", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			budget.Withdraw()
		}
	})
}
