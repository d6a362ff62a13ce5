package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

// Harness tells the kit how to make what it tests. Only New is required; cases
// that need a field that is nil are skipped, and say so.
type Harness struct {
	// New returns a driver over an empty store of its own, and sees to its end
	// with t.Cleanup. It is called once for each case. Required.
	New func(t testing.TB) eventstore.Driver

	// Begin opens a transaction on the database of a driver, for drivers whose
	// appends can be part of one. Where a transaction gets its place among
	// others when it first writes, Begin makes it write something, so that it
	// is older than all that commits before its first append.
	// It is called by several goroutines at once.
	// Defaults to none: cases with open transactions are skipped.
	Begin func(ctx context.Context, d eventstore.Driver) (Tx, error)

	// OneWriter says that a transaction of Begin keeps all other writers waiting
	// until it ends. Cases in which others must get ahead of it are skipped.
	// Defaults to false.
	OneWriter bool

	// Foreign opens a transaction that has written, in another database of the
	// same server, and returns what ends it.
	// Defaults to none: cases with a foreign transaction are skipped.
	Foreign func(t testing.TB, d eventstore.Driver) (release func())

	// Reopen returns a second driver over the data of d that shares nothing
	// with it in this process: as another process would have it, or this one
	// after a restart. d stays in use. It sees to its end with t.Cleanup.
	// Defaults to none: cases with a second driver are skipped.
	Reopen func(t testing.TB, d eventstore.Driver) eventstore.Driver

	// Patience is how long the kit waits for what must happen before it says
	// that it did not.
	// Defaults to 30 s.
	Patience time.Duration

	// Seed begins the random choices. A failure tells the seed it was found
	// with: set it to see the same choices again.
	// Defaults to another one for each run.
	Seed uint64
}

// Tx is an open transaction. It is used by one goroutine at a time, and ends
// with one call of Commit or Rollback.
type Tx interface {
	// Append is [eventstore.Driver.Append] inside the transaction.
	Append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error
	Commit(ctx context.Context) error
	Rollback(ctx context.Context) error
}

// Run tests a driver, each case in a subtest of its own:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Harness{
//			New: func(testing.TB) eventstore.Driver { return eventstore.NewMemory() },
//		})
//	}
//
// With -short the cases repeat less.
func Run(t *testing.T, h Harness) {
	for _, group := range groups() {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) { c.run(t, h) })
			}
		})
	}
}

// group is the cases about one promise.
type group struct {
	name  string
	cases []testCase
}

type testCase struct {
	name  string
	needs need
	check func(ctx context.Context, t *trial)
}

// need is what a case needs of a Harness besides New.
type need uint8

const (
	needBegin need = 1 << iota
	needOvertaking
	needForeign
	needReopen
)

func (n need) missing(h Harness) string {
	switch {
	case n&(needBegin|needOvertaking) != 0 && h.Begin == nil:
		return "not applicable: the harness has no Begin, so nothing can append inside an open transaction"
	case n&needOvertaking != 0 && h.OneWriter:
		return "not applicable: the harness says OneWriter, so nobody can get ahead of an open transaction"
	case n&needForeign != 0 && h.Foreign == nil:
		return "not applicable: the harness has no Foreign, so there is no other database on the server"
	case n&needReopen != 0 && h.Reopen == nil:
		return "not applicable: the harness has no Reopen, so the data cannot be seen through a second driver"
	default:
		return ""
	}
}

var errCaseTooLong = errors.New("storetest: the case took ten times the harness's Patience")

func (c testCase) run(tb testing.TB, h Harness) {
	tb.Helper()
	if h.New == nil {
		tb.Fatal("storetest: Harness.New is nil: it is required")
	}
	if reason := c.needs.missing(h); reason != "" {
		tb.Skip(reason)
	}
	if h.Patience == 0 {
		h.Patience = 30 * time.Second
	}
	if h.Seed == 0 {
		h.Seed = uint64(time.Now().UnixNano())
	}
	ctx, cancel := context.WithTimeoutCause(tb.Context(), 10*h.Patience, errCaseTooLong)
	defer cancel()
	c.check(ctx, newTrial(tb, h, cancel))
}
