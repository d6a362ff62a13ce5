package projectiontest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/cqrs/projectiontest"
	"github.com/parlance-go/parlance/internal/assert"
)

// mutant is a target that breaks one promise, and the first case of the kit that
// must see it.
type mutant struct {
	seenBy string
	spoil  func(t *target)
}

// target is a Memory some of whose methods may be replaced.
type target struct {
	*memory
	acquire func(ctx context.Context, claim cqrs.Claim) (cqrs.Lease, error)
	update  func(ctx context.Context, lease cqrs.Lease, step cqrs.Step, write writer) (cqrs.Lease, error)
	release func(ctx context.Context, lease cqrs.Lease) error
	records func(ctx context.Context, projection string) ([]cqrs.Record, error)
	status  func(ctx context.Context, projection string, version int, status cqrs.Status) error
}

type (
	row    = projectiontest.Row
	memory = cqrs.Memory[row]
	tx     = *cqrs.MemoryTx[row]
	writer = func(context.Context, tx) error
)

var mutants = map[string]mutant{
	"none": {"", func(*target) {}},
	"lets a second owner in": {"Acquire", func(t *target) {
		t.acquire = func(ctx context.Context, claim cqrs.Claim) (cqrs.Lease, error) {
			lease, err := t.memory.Acquire(ctx, claim)
			if owned, ok := errors.AsType[*cqrs.OwnedError](err); ok {
				claim.Owner = owned.Owner
				return t.memory.Acquire(ctx, claim)
			}
			return lease, err
		}
	}},
	"gives the records in any order": {"Acquire", func(t *target) {
		t.records = func(ctx context.Context, projection string) ([]cqrs.Record, error) {
			records, err := t.memory.Versions(ctx, projection)
			slices.Reverse(records)
			return records, err
		}
	}},
	"lets a late release end the lease of another": {"Release", func(t *target) {
		t.release = func(ctx context.Context, lease cqrs.Lease) error {
			return t.memory.Release(ctx, t.present(ctx, lease))
		}
	}},
	"never releases": {"Release", func(t *target) {
		t.release = func(ctx context.Context, _ cqrs.Lease) error { return context.Cause(ctx) }
	}},
	"does not count": {"AcquireAgain", func(t *target) {
		t.update = func(ctx context.Context, lease cqrs.Lease, step cqrs.Step, write writer) (cqrs.Lease, error) {
			step.Applied = 0
			return t.memory.Update(ctx, lease, step, write)
		}
	}},
	"leaves the checkpoint behind": {"AcquireAgain", func(t *target) {
		t.update = func(ctx context.Context, lease cqrs.Lease, step cqrs.Step, write writer) (cqrs.Lease, error) {
			step.Checkpoint = lease.Checkpoint
			return t.memory.Update(ctx, lease, step, write)
		}
	}},
	"commits what failed": {"UpdateIsAtomic", func(t *target) {
		t.update = func(ctx context.Context, lease cqrs.Lease, step cqrs.Step, write writer) (cqrs.Lease, error) {
			var failed error
			next, err := t.memory.Update(ctx, lease, step, func(ctx context.Context, tx tx) error {
				if write != nil {
					failed = write(ctx, tx)
				}
				return nil
			})
			return next, errors.Join(failed, err)
		}
	}},
	"asks for no epoch": {"UpdateOfALostLease", func(t *target) {
		t.update = func(ctx context.Context, lease cqrs.Lease, step cqrs.Step, write writer) (cqrs.Lease, error) {
			next, err := t.memory.Update(ctx, lease, step, write)
			if errors.Is(err, cqrs.ErrLost) {
				next, err = t.memory.Update(ctx, t.present(ctx, lease), step, write)
			}
			return next, err
		}
	}},
	"swallows panics": {"UpdateThatPanics", func(t *target) {
		t.update = func(ctx context.Context, lease cqrs.Lease, step cqrs.Step, write writer) (next cqrs.Lease, err error) {
			defer func() {
				if value := recover(); value != nil {
					err = errors.New("write panicked")
				}
			}()
			return t.memory.Update(ctx, lease, step, write)
		}
	}},
	"commits after its context is done": {"UpdateCancelled", func(t *target) {
		t.update = func(ctx context.Context, lease cqrs.Lease, step cqrs.Step, write writer) (cqrs.Lease, error) {
			return t.memory.Update(context.WithoutCancel(ctx), lease, step, write)
		}
	}},
	"does not switch": {"UpdateIsAtomic", func(t *target) {
		t.update = func(ctx context.Context, lease cqrs.Lease, step cqrs.Step, write writer) (cqrs.Lease, error) {
			step.Activate = false
			return t.memory.Update(ctx, lease, step, write)
		}
	}},
	"switches too early": {"Activate", func(t *target) {
		t.update = func(ctx context.Context, lease cqrs.Lease, step cqrs.Step, write writer) (cqrs.Lease, error) {
			step.Activate = step.Activate || len(lease.Tables) > 1
			return t.memory.Update(ctx, lease, step, write)
		}
	}},
	"does not reinstate": {"Reinstate", func(t *target) {
		t.status = func(ctx context.Context, projection string, version int, status cqrs.Status) error {
			if status == cqrs.Building {
				return nil
			}
			return t.memory.SetStatus(ctx, projection, version, status)
		}
	}},
	"keeps what is dropped": {"Drop", func(t *target) {
		t.status = func(ctx context.Context, projection string, version int, status cqrs.Status) error {
			err := t.memory.SetStatus(ctx, projection, version, status)
			if status == cqrs.Dropped && err == nil {
				err = t.memory.SetStatus(ctx, projection, version, cqrs.Building)
			}
			return err
		}
	}},
	"lets the active version be dropped": {"SetStatusRefused", func(t *target) {
		t.status = func(ctx context.Context, projection string, version int, status cqrs.Status) error {
			if err := t.memory.SetStatus(ctx, projection, version, status); !errors.Is(err, cqrs.ErrActive) {
				return err
			}
			return nil
		}
	}},
}

// present returns the lease of whoever is the owner now.
func (t *target) present(ctx context.Context, lease cqrs.Lease) cqrs.Lease {
	records, err := t.memory.Versions(ctx, lease.Model.Projection)
	if err != nil {
		return lease
	}
	for _, r := range records {
		if r.Model.Version != lease.Model.Version || r.Owner == "" {
			continue
		}
		lease, err := t.memory.Acquire(ctx, cqrs.Claim{
			Projection: r.Model.Projection, Version: r.Model.Version, Tables: r.Tables,
			Owner: r.Owner, Duration: r.Remaining,
		})
		if err == nil {
			return lease
		}
	}
	return lease
}

func newTarget(name string) *target {
	t := &target{memory: cqrs.NewMemory[row]()}
	t.acquire, t.update, t.release = t.memory.Acquire, t.memory.Update, t.memory.Release
	t.records, t.status = t.memory.Versions, t.memory.SetStatus
	mutants[name].spoil(t)
	return t
}

func (t *target) Acquire(ctx context.Context, claim cqrs.Claim) (cqrs.Lease, error) {
	return t.acquire(ctx, claim)
}

func (t *target) Update(ctx context.Context, lease cqrs.Lease, step cqrs.Step, write func(context.Context, tx) error) (cqrs.Lease, error) {
	return t.update(ctx, lease, step, write)
}

func (t *target) Release(ctx context.Context, lease cqrs.Lease) error { return t.release(ctx, lease) }

func (t *target) Versions(ctx context.Context, projection string) ([]cqrs.Record, error) {
	return t.records(ctx, projection)
}

func (t *target) SetStatus(ctx context.Context, projection string, version int, status cqrs.Status) error {
	return t.status(ctx, projection, version, status)
}

const mutantKey = "PARLANCE_TEST_MUTANT"

// The kit fails its test, so each mutant is tested in a process of its own.
func TestMutants(t *testing.T) {
	t.Parallel()
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			kit := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMutant$", "-test.short", "-test.failfast", "-test.timeout=1m")
			kit.Env = append(os.Environ(), mutantKey+"="+name)
			output, err := kit.CombinedOutput()
			if m.seenBy == "" {
				assert.NoError(t, err, "%s", output)
				return
			}
			assert.Error(t, err, "nobody has seen it")
			assert.True(t, strings.Contains(string(output), "--- FAIL: TestMutant/"+m.seenBy+" "), "%s has not seen it:\n%s", m.seenBy, output)
		})
	}
}

// TestMutant is what TestMutants runs.
func TestMutant(t *testing.T) {
	name := os.Getenv(mutantKey)
	if name == "" {
		t.Skip("it is for the processes of TestMutants")
	}
	projectiontest.Run(t, harness(name))
}
