package cqrs

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parlance-go/parlance/eventstore"
)

const maxProjectionName = 150

// Projection says how events become a read model. Tx is the transaction of the
// Target that keeps it.
type Projection[Tx any] struct {
	// Name tells this projection from all others of the target: 1 to 150 bytes
	// of UTF-8 without control characters and slashes. Required.
	Name string

	// Version is raised when Setup, Apply or Filter change in a way that needs
	// the read model to be built anew. The new version is built beside the old
	// one, and takes its place when it has caught up.
	// Defaults to 1.
	Version int

	// Filter chooses the events.
	// Defaults to all.
	Filter eventstore.Filter

	// Tables are the names by which readers know the tables. The real table of
	// a version is [Model.Table] of the name; the Target makes the name itself
	// stand for the table of the active version. No other projection of the same
	// target may use the same names.
	// Defaults to none.
	Tables []string

	// Setup makes the tables of this version, before its first event. It runs in
	// a transaction, once. To change a table later, raise Version.
	// Defaults to nothing to make.
	Setup func(ctx context.Context, tx Tx, model Model) error

	// Apply writes what the events change, in the transaction that also moves
	// the checkpoint; that is why each event counts exactly once. The events are
	// in order and at least one. Apply must not act on anything but tx, since it
	// may run again for events that it has seen: after a rollback, and for each
	// new Version. What an event sets off elsewhere is for a [Reactor].
	//
	// With an error nothing is changed, and the same events come again: never is
	// one skipped. An error with a method Retryable() bool that returns false
	// ends Run; but not if it has a method RetryAfter() time.Duration too, as that
	// of an open breaker, which says that it is not for ever. Required.
	Apply func(ctx context.Context, tx Tx, model Model, events []eventstore.Recorded) error
}

func (p *Projection[Tx]) check() error {
	if p.Version == 0 {
		p.Version = 1
	}
	if err := checkName(p.Name); err != nil {
		return err
	}
	switch {
	case p.Version < 0 || p.Version > 1<<31-1:
		return invalidf("Version %d: want 1 to %d", p.Version, 1<<31-1)
	case p.Apply == nil:
		return invalidf("Apply is nil")
	}
	model := Model{Projection: p.Name, Version: p.Version}
	for i, table := range p.Tables {
		if table == "" || len(table)+len(model.Name("t"))-1 > maxTableName || !utf8.ValidString(table) || strings.ContainsRune(table, 0) {
			return invalidf("Tables: %.80q: want 1 to %d bytes of UTF-8 without NUL", table, maxTableName-len(model.Name("t"))+1)
		}
		if slices.Contains(p.Tables[:i], table) {
			return invalidf("Tables: %q stands twice", table)
		}
	}
	return nil
}

func checkName(name string) error {
	unfit := func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' }
	if name == "" || len(name) > maxProjectionName || !utf8.ValidString(name) || strings.ContainsFunc(name, unfit) {
		return invalidf("Name %.80q: want 1 to %d bytes of UTF-8 without control characters and slashes", name, maxProjectionName)
	}
	return nil
}
