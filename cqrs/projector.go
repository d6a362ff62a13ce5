package cqrs

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

// Config sets up a Projector or a Reactor. The zero Config works.
type Config struct {
	// BatchSize is how many events one transaction applies at most.
	// Defaults to 500 for a Projector and to 1 for a Reactor.
	BatchSize int

	// LeaseDuration is for how long ownership outlasts a process that died: so
	// long another one may have to wait. After one that has stopped as it should
	// the wait is a tenth of that. One transaction, with Setup or Apply in it, may
	// take half of it; then its context is done.
	// Defaults to 30 s.
	LeaseDuration time.Duration

	// Owner is a name that this process has and no other that runs: of a pod with
	// an identity of its own, or of a program that holds a lock. If the process was
	// killed and comes back under its name, it takes what it owned at once. Two
	// that run under one name take it from each other again and again, which does
	// no harm but is of no use. It has up to 200 bytes of UTF-8 without NUL.
	// Defaults to a new name for each Run.
	Owner string

	// Logger is told of failures, which come again until somebody sees to them,
	// at level Warn, and of changes of ownership at level Debug.
	// Defaults to slog.Default().
	Logger *slog.Logger

	// Hooks are told what happens.
	Hooks Hooks
}

// Projector keeps one version of a projection up to date. It is safe for
// concurrent use.
type Projector[Tx any] struct {
	store      *eventstore.Store
	target     Target[Tx]
	projection Projection[Tx]
	config     Config
	fromNow    bool
}

// NewProjector returns a Projector that applies the events of a store to a
// target. The error matches ErrInvalid, and names the field at fault.
func NewProjector[Tx any](store *eventstore.Store, target Target[Tx], projection Projection[Tx], config Config) (*Projector[Tx], error) {
	p := &Projector[Tx]{store: store, target: target, projection: projection, config: config}
	if err := p.projection.check(); err != nil {
		return nil, fmt.Errorf("cqrs: new projector: %w", err)
	}
	if err := p.prepare(500); err != nil {
		return nil, fmt.Errorf("cqrs: new projector %q: %w", projection.Name, err)
	}
	return p, nil
}

func (p *Projector[Tx]) prepare(batchSize int) error {
	c := &p.config
	switch {
	case p.store == nil:
		return invalidf("the store is nil")
	case p.target == nil:
		return invalidf("the target is nil")
	case c.BatchSize < 0:
		return invalidf("BatchSize %d is negative", c.BatchSize)
	case c.LeaseDuration < 0 || c.LeaseDuration > 0 && c.LeaseDuration < 10*time.Millisecond:
		return invalidf("LeaseDuration %s: want at least 10 ms", c.LeaseDuration)
	case len(c.Owner) > 200 || !utf8.ValidString(c.Owner) || strings.ContainsRune(c.Owner, 0):
		return invalidf("Owner %.80q: want at most 200 bytes of UTF-8 without NUL", c.Owner)
	}
	if c.BatchSize == 0 {
		c.BatchSize = batchSize
	}
	if c.LeaseDuration == 0 {
		c.LeaseDuration = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return nil
}

// Run keeps the projection up to date until ctx is done; then it finishes the
// transaction that is open, gives ownership away and returns nil.
//
// Any number of processes may call Run for the same version: one of them owns
// it, the others wait. Once another version has taken the place of this one, Run
// waits too, for [Reinstate].
//
// What fails is tried again, with growing delays of up to 10 s, from what the
// target says has been applied. Run returns an error only if that is no use: an
// *ApplyError or other error with a method Retryable() bool that returns false
// (and none RetryAfter() time.Duration), or one that matches eventstore.ErrCheckpoint or ErrInvalid. A panic of Setup or
// Apply is passed on after the transaction was rolled back and ownership given
// away.
func (p *Projector[Tx]) Run(ctx context.Context) error {
	if err := p.start(false).loop(ctx); err != nil && ctx.Err() == nil {
		return p.wrap("run", err)
	}
	return nil
}

// CatchUp is Run that ends when all events there are have been applied and the
// version is active. If another process owns the projection, it waits until it
// does no longer. It also returns an error if ctx is done before, which matches
// the cause of ctx and the last failure; and ErrRetired if another version has
// taken the place of this one.
func (p *Projector[Tx]) CatchUp(ctx context.Context) error {
	if err := p.start(true).loop(ctx); err != nil {
		return p.wrap("catch up", err)
	}
	return nil
}

func (p *Projector[Tx]) wrap(verb string, err error) error {
	return fmt.Errorf("cqrs: %s %q, version %d: %w", verb, p.projection.Name, p.projection.Version, err)
}

func (p *Projector[Tx]) start(untilLive bool) *run[Tx] {
	return &run[Tx]{
		Projector: p,
		owner:     cmp.Or(p.config.Owner, uuid.NewString()),
		size:      p.config.BatchSize,
		untilLive: untilLive,
	}
}
