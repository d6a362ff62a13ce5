// Package breakermodel_test checks package breaker against a model that is as
// plain as the documentation: calls one after another, and a list of what they
// were. It has a module of its own because of rapid, which finds and shrinks the
// sequences in which the two differ.
package breakermodel_test

import (
	"flag"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	// A sequence takes a fraction of a millisecond: more of them than the 100 of
	// rapid, and longer ones than its 30 steps, so that breakers open, recover and
	// open again. The same flags on the command line come later and win.
	for name, value := range map[string]string{"rapid.checks": "1000", "rapid.steps": "80"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
