package cqrs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/cqrs/projectiontest"
)

type row = projectiontest.Row

// memoryHarness has tables in memory whose rows stand under their own names. A
// table counts as made once it has a row that is none.
var memoryHarness = projectiontest.Harness[*cqrs.MemoryTx[row]]{
	New: func(testing.TB) cqrs.Target[*cqrs.MemoryTx[row]] { return cqrs.NewMemory[row]() },
	Create: func(_ context.Context, tx *cqrs.MemoryTx[row], model cqrs.Model, table string) error {
		if _, there := tx.Get(model.Table(table), ""); there {
			return fmt.Errorf("table %s is there already", model.Table(table))
		}
		tx.Put(model.Table(table), "", row{})
		return nil
	},
	Insert: func(_ context.Context, tx *cqrs.MemoryTx[row], model cqrs.Model, table string, r row) error {
		key := fmt.Sprintf("%s@%d", r.Stream, r.Version)
		if _, there := tx.Get(model.Table(table), key); there {
			return fmt.Errorf("row %s is there already", key)
		}
		tx.Put(model.Table(table), key, r)
		return nil
	},
	Rows: func(_ context.Context, target cqrs.Target[*cqrs.MemoryTx[row]], table string) ([]row, error) {
		var rows []row
		made := false
		for key, r := range target.(*cqrs.Memory[row]).Rows(table) {
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

func TestMemory(t *testing.T) { projectiontest.Run(t, memoryHarness) }
