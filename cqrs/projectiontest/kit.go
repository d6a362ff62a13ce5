package projectiontest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

const (
	projection = `Odd "name", it's`
	table      = `Taken "events"`
	otherTable = "Other"

	// long is a lease that no case outlives.
	long = time.Minute

	// patience is how long to wait for what must happen.
	patience = 30 * time.Second
)

// kit is one case at work.
type kit[Tx any] struct {
	Harness[Tx]
	target cqrs.Target[Tx]
}

func (k *kit[Tx]) claim(version int, owner string, duration time.Duration) cqrs.Claim {
	return cqrs.Claim{
		Projection: projection, Version: version, Tables: []string{table},
		Owner: owner, Duration: duration,
	}
}

func (k *kit[Tx]) acquire(t *testing.T, version int, owner string, duration time.Duration) cqrs.Lease {
	t.Helper()
	lease, err := k.target.Acquire(t.Context(), k.claim(version, owner, duration))
	assert.NoError(t, err, "Acquire of version %d by %s", version, owner)
	return lease
}

func (k *kit[Tx]) update(t *testing.T, lease cqrs.Lease, step cqrs.Step, write func(context.Context, Tx) error) cqrs.Lease {
	t.Helper()
	lease, err := k.target.Update(t.Context(), lease, step, write)
	assert.NoError(t, err, "Update")
	return lease
}

// build makes a version with the given rows, short of being active.
func (k *kit[Tx]) build(t *testing.T, version int, rows ...Row) cqrs.Lease {
	t.Helper()
	lease := k.acquire(t, version, "builder", long)
	model := lease.Model
	lease = k.update(t, lease, cqrs.Step{Checkpoint: at(1)}, func(ctx context.Context, tx Tx) error {
		return k.Create(ctx, tx, model, table)
	})
	return k.update(t, lease, cqrs.Step{Checkpoint: at(2), Applied: int64(len(rows))}, k.inserts(model, rows...))
}

func (k *kit[Tx]) inserts(model cqrs.Model, rows ...Row) func(context.Context, Tx) error {
	return func(ctx context.Context, tx Tx) error {
		for _, row := range rows {
			if err := k.Insert(ctx, tx, model, table, row); err != nil {
				return err
			}
		}
		return nil
	}
}

// rows returns what readers find, sorted.
func (k *kit[Tx]) rows(t *testing.T) []Row {
	t.Helper()
	rows, err := k.Rows(t.Context(), k.target, table)
	assert.NoError(t, err, "reading %s", table)
	return sorted(rows)
}

func (k *kit[Tx]) record(t *testing.T, version int) cqrs.Record {
	t.Helper()
	records, err := k.target.Versions(t.Context(), projection)
	assert.NoError(t, err, "Versions")
	for _, record := range records {
		if record.Model.Version == version {
			return record
		}
	}
	t.Fatalf("no record of version %d among %d", version, len(records))
	return cqrs.Record{}
}

func (k *kit[Tx]) wantStatus(t *testing.T, version int, want cqrs.Status) {
	t.Helper()
	assert.Equal(t, k.record(t, version).Status, want, "status of version %d", version)
}

func sorted(rows []Row) []Row {
	slices.SortFunc(rows, func(a, b Row) int {
		if a.Stream != b.Stream {
			return strings.Compare(a.Stream, b.Stream)
		}
		return int(a.Version - b.Version)
	})
	return rows
}

// count returns the rows s-1 to s-n.
func count(n int) []Row {
	rows := make([]Row, n)
	for i := range rows {
		rows[i] = Row{Stream: "s", Version: int64(i + 1)}
	}
	return rows
}

// at returns a checkpoint such as a driver might give out.
func at(n int64) eventstore.Checkpoint {
	return eventstore.NewCheckpoint("10:20:10,14'\"", n)
}
