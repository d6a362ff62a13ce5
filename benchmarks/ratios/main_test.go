package main

import (
	"strings"
	"testing"

	"github.com/parlance-go/parlance/internal/assert"
)

func TestRun(t *testing.T) {
	const in = `goos: linux
pkg: github.com/parlance-go/parlance/benchmarks
BenchmarkAppend/one-event/clients=2/floor-2      100   200 ns/op   1000 events/s
BenchmarkAppend/one-event/clients=2/parlance-2   100   200 ns/op   2000 events/s   3 B/op
BenchmarkAppend/one-event/clients=2/floor-2      100   200 ns/op   1000000 events/s
BenchmarkAppend/one-event/clients=2/parlance-2   100   200 ns/op   500000 events/s
BenchmarkAlone 100 10 ns/op
pkg: github.com/parlance-go/parlance/cqrs
BenchmarkSend/floor    100   10 ns/op
BenchmarkSend/parlance 100   20 ns/op
BenchmarkDelivery/parlance 5 2 ns/op
PASS
`
	var out strings.Builder
	assert.NoError(t, run(strings.NewReader(in), &out))
	assert.Equal(t, out.String(), `| package | case | contender | speed | ratio to floor |
|---|---|---|---:|---:|
| benchmarks | Append/one-event/clients=2 | floor | 500,500/s | 1 |
| benchmarks | Append/one-event/clients=2 | parlance | 251,000/s | **1.25** (0.50 to 2.00) |
| cqrs | Send | floor | 100,000,000/s | 1 |
| cqrs | Send | parlance | 50,000,000/s | **0.50** (0.50 to 0.50) |
| cqrs | Delivery | parlance | 500,000,000/s |  |
`)
}

func TestRunRefusesWhatHoldsNoResults(t *testing.T) {
	assert.Error(t, run(strings.NewReader("PASS\n"), &strings.Builder{}))
	assert.Error(t, run(strings.NewReader("BenchmarkX/floor 1 x ns/op\n"), &strings.Builder{}))
}
