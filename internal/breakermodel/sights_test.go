package breakermodel_test

import (
	"maps"
	"slices"
	"testing"
)

// sights count what has happened in the sequences, because what never happened
// was not checked.
type sights map[string]int

func (s sights) add(sight string) { s[sight]++ }

func (s sights) check(t *testing.T) {
	t.Helper()
	for _, sight := range slices.Sorted(maps.Keys(s)) {
		t.Logf("%6d times: %s", s[sight], sight)
	}
	for _, want := range []string{
		"admitted ordinary", "admitted a probe", "admitted a bystander", "admitted unrecorded",
		"rejected open", "rejected half-open", "ended before the call",
		"had too little time", "ran out of time", "reported twice",
		"late, generation behind: true", "late, generation behind: false",
		"an age in doubt",
		"from closed to open, by a call: true", "from open to half-open, by a call: false",
		"from half-open to closed, by a call: true", "from half-open to open, by a call: true",
		"from half-open to closed, by a call: false", "from open to closed, by a call: false",
		"from closed to closed, by a call: false", "from closed to open, by a call: false",
	} {
		if s[want] == 0 && !t.Failed() {
			t.Errorf("never: %s", want)
		}
	}
}
