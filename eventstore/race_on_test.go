//go:build race

package eventstore_test

// raceEnabled tells that the race detector watches, which makes some values
// escape to the heap that otherwise do not.
const raceEnabled = true
