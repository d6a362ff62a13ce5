package storetest_test

import (
	"testing"

	"github.com/parlance-go/parlance/eventstore/storetest"
)

// BenchmarkTransactional shows that the benchmarks run. Those of the drivers
// are beside the drivers.
func BenchmarkTransactional(b *testing.B) {
	storetest.RunBenchmarks(b, transactionalHarness())
}
