package storemodel_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/parlance-go/parlance/eventstore/storetest"
)

// TestSequences lets rapid look for operations after which a driver is not as
// the model, and shrink what it finds.
func TestSequences(t *testing.T) {
	onDrivers(t, func(t *testing.T, stores *stores) {
		rapid.Check(t, func(r *rapid.T) {
			store, model := stores.empty(), storetest.NewModel()
			choose := func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "choice") }
			r.Repeat(map[string]func(*rapid.T){
				"operation": func(r *rapid.T) {
					op := model.Next(choose)
					outcome := storetest.Do(t.Context(), store, op)
					r.Logf("%s -> %s", op, outcome)
					if err := model.Step(op, outcome); err != nil {
						r.Fatal(err)
					}
				},
				"reading everything": func(r *rapid.T) {
					if err := model.Verify(t.Context(), store); err != nil {
						r.Fatal(err)
					}
				},
			})
		})
	})
}
