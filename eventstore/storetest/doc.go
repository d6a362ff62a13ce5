// Package storetest is the kit that every [eventstore.Driver] passes. It checks
// what package eventstore promises: alone, under concurrency, with transactions
// held open, and in random sequences against a [Model]. A failure says what was
// promised, what happened, and what had been done before.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Harness{
//			New: func(t testing.TB) eventstore.Driver { return open(t) },
//		})
//	}
//
// [RunBenchmarks] measures a driver by the same Harness. [Op], [Model] and
// [History] are for tests that want more of the same: other generators, other
// checkers.
//
// # When not to use it
//
// To test a program that uses an event store, give it [eventstore.NewMemory].
package storetest
