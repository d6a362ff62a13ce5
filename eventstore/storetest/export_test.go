package storetest

import "testing"

// Check runs the cases whose group's name or own name is name, as Run does, but
// without subtests: so that a test can watch them fail.
func Check(tb testing.TB, h Harness, name string) (ran int) {
	for _, group := range groups() {
		for _, c := range group.cases {
			if group.name == name || c.name == name {
				c.run(tb, h)
				ran++
			}
		}
	}
	return ran
}
