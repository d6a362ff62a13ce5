// Package benchmarks measures parlance beside its peers and beside the floor,
// the least work that is physically needed, in one run. A case is named
// Benchmark<Area>/<case>/<contender>; only ratios between contenders of one run
// mean anything. "make bench" runs them; docs/performance.md shows the results.
package benchmarks
