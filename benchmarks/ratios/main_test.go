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
	assert.NoError(t, run(strings.NewReader(in), &out, []string{"floor"}))
	assert.Equal(t, out.String(), `| package | case | contender | speed | ratio to floor |
|---|---|---|---:|---:|
| benchmarks | Append/one-event/clients=2 | floor | 500,500/s | 1 |
| benchmarks | Append/one-event/clients=2 | parlance | 251,000/s | **1.25** (0.50 to 2.00) |
| cqrs | Send | floor | 100,000,000/s | 1 |
| cqrs | Send | parlance | 50,000,000/s | **0.50** (0.50 to 0.50) |
| cqrs | Delivery | parlance | 500,000,000/s |  |
`)
}

func TestRunComparesWithSeveral(t *testing.T) {
	const in = `pkg: github.com/parlance-go/parlance/benchmarks
BenchmarkBreaker/serial/parlance-2      100   10 ns/op   0 B/op
BenchmarkBreaker/serial/gobreaker-2     100   100 ns/op   0 B/op
BenchmarkBreaker/serial/failsafe-go-2   100   400 ns/op   0 B/op
BenchmarkRetry/serial/parlance-2        100   10 ns/op   0 B/op
BenchmarkRetry/serial/failsafe-go-2     100   50 ns/op   0 B/op
BenchmarkAppend/serial/parlance-2       100   10 ns/op   0 B/op
BenchmarkBreaker/serial/parlance-2      100   20 ns/op   0 B/op
BenchmarkBreaker/serial/gobreaker-2     100   100 ns/op   0 B/op
BenchmarkBreaker/serial/failsafe-go-2   100   400 ns/op   0 B/op
`
	var out strings.Builder
	assert.NoError(t, run(strings.NewReader(in), &out, []string{"gobreaker", "failsafe-go"}))
	assert.Equal(t, out.String(), `| package | case | contender | speed | ratio to gobreaker | ratio to failsafe-go |
|---|---|---|---:|---:|---:|
| benchmarks | Breaker/serial | parlance | 75,000,000/s | **7.50** (5.00 to 10.00) | **30.00** (20.00 to 40.00) |
| benchmarks | Breaker/serial | gobreaker | 10,000,000/s | 1 | **4.00** (4.00 to 4.00) |
| benchmarks | Breaker/serial | failsafe-go | 2,500,000/s | **0.25** (0.25 to 0.25) | 1 |
| benchmarks | Retry/serial | parlance | 100,000,000/s |  | **5.00** (5.00 to 5.00) |
| benchmarks | Retry/serial | failsafe-go | 20,000,000/s |  | 1 |
`)
}

func TestRunRefusesWhatHoldsNoResults(t *testing.T) {
	for _, test := range []struct{ name, in, to string }{
		{"no results", "PASS\n", "floor"},
		{"no number", "BenchmarkX/floor 1 x ns/op\n", "floor"},
		{"nobody of that name", "BenchmarkX/floor 1 2 ns/op\n", "gobraeker"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Error(t, run(strings.NewReader(test.in), &strings.Builder{}, []string{test.to}))
		})
	}
}
