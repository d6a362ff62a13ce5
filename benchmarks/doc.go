// Package benchmarks measures parlance beside its peers and beside the floor,
// the least work that is physically needed, in one run. A case is named
// Benchmark<Area>/<case>/<contender>; only ratios between contenders of one run
// mean anything. "make bench" runs them; docs/performance.md shows the results.
//
// Its tests show that the contenders do the same work, and how they fare when
// something goes wrong. The files with wedges in their names hold this table,
// for the versions in go.mod; a test fails as soon as one of its entries is not
// true any more, whether for parlance or for a peer:
//
//	                                                parlance  gobreaker  failsafe-go
//	breaker recovers after a probe that hangs       yes       never      never
//	... that panics                                 yes       yes        never
//	... that ends its goroutine (runtime.Goexit)    yes       never      never
//	a probe whose caller left is given back         yes       reopens    reopens
//	callers who leave do not trip it                yes       trips      trips
//	a late success does not close it                yes       yes        closes
//	failures longer than the window trip it         yes       never      yes
//	a callback may ask the breaker                  yes       deadlock   yes
//
//	                                                parlance  backoff  avast   failsafe-go
//	no sleep beyond the deadline                    yes       sleeps   sleeps  sleeps
//	the error survives the deadline                 yes       lost     yes (1) lost
//	no attempt for a caller who has left            yes       one      yes     one
//	no delay above the cap                          yes       1.5x     yes     1.5x
//	delays do not gather at the cap                 yes       yes      gather  yes
//	a permanent error stays one with RetryIf        yes       yes      no      -
//	an empty budget allows no retry                 yes       -        yes     one
//	a refused retry does not sleep before           yes       -        yes     sleeps
//	a refused retry keeps the error                 yes       -        yes     lost
//	50 PUTs that are tried 3 times, connections     1         -        -       101
//	a POST without an Idempotency-Key is sent       once      -        -       3 times
//	Retry-After with a date is obeyed               yes       -        -       ignored
//
// (1) Not with LastErrorOnly.
package benchmarks
