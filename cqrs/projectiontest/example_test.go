package projectiontest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/cqrs/projectiontest"
)

// In a real test, t is what the test was given.
func ExampleRun() {
	TestProjections := func(t *testing.T) {
		projectiontest.Run(t, harness("none"))
	}
	_ = TestProjections
	// Output:
}

// harness has tables in memory whose rows stand under their own names. A table
// counts as made once it has a row that is none.
func harness(name string) projectiontest.Harness[tx] {
	return projectiontest.Harness[tx]{
		New: func(testing.TB) cqrs.Target[tx] { return newTarget(name) },
		Create: func(_ context.Context, tx tx, model cqrs.Model, table string) error {
			if _, there := tx.Get(model.Table(table), ""); there {
				return fmt.Errorf("table %s is there already", model.Table(table))
			}
			tx.Put(model.Table(table), "", row{})
			return nil
		},
		Insert: func(_ context.Context, tx tx, model cqrs.Model, table string, r row) error {
			key := fmt.Sprintf("%s@%d", r.Stream, r.Version)
			if _, there := tx.Get(model.Table(table), key); there {
				return fmt.Errorf("row %s is there already", key)
			}
			tx.Put(model.Table(table), key, r)
			return nil
		},
		Rows: func(_ context.Context, t cqrs.Target[tx], table string) ([]row, error) {
			var rows []row
			made := false
			for key, r := range t.(*target).Rows(table) {
				if key == "" {
					made = true
					continue
				}
				rows = append(rows, r)
			}
			if !made {
				return nil, errors.New("no such table")
			}
			return rows, nil
		},
	}
}
