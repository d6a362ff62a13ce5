package cqrs

import (
	"context"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

// Target keeps read models, together with how far they have got and who may
// write them. Tx is what a projection writes with, such as pgx.Tx. Programs
// hand a Target to NewProjector; an adapter implements one for its database, and
// passes the kit in cqrs/projectiontest.
//
// A target has one record for each version of each projection: its Status, an
// epoch, an owner, the time at which the lease ends, a checkpoint, and how many
// events were applied. It reads the time from one clock, that of the database;
// when that is set back, a lease must not last longer than it was given for.
//
// All methods are safe for concurrent use, also from several processes. They
// return when ctx is done, with an error that wraps context.Cause(ctx); what was
// under way has then happened wholly or not at all. Errors are returned as they
// are: the Projector says what was being done.
type Target[Tx any] interface {
	// Acquire makes claim.Owner the owner of one version of a projection until
	// claim.Duration from now, and raises the epoch above every earlier one. It
	// does not wait for another owner. Whoever is the owner already gets a new
	// lease like anyone else, at once.
	//
	// A version without a record gets one: Building if no version is Active or
	// the active one is lower, else Retired. claim.Tables replace those of the
	// record.
	//
	// It returns *OwnedError while the lease of another owner lasts, and
	// ErrRetired if the version is Retired or Dropped. Both change nothing.
	Acquire(ctx context.Context, claim Claim) (Lease, error)

	// Update runs write in a transaction and, in the same one, sets the
	// checkpoint to step.Checkpoint, adds step.Applied, clears Fresh and extends
	// the lease by lease.Duration from now; but only if epoch and checkpoint are
	// still those of the lease. It returns the lease as it is then. A lease that
	// has run out is as good as any as long as nobody else has acquired.
	//
	// Else nothing has changed, and it returns the error of write, wrapped or as
	// it is, ErrRetired if the version is Retired or Dropped, or ErrLost if epoch
	// or checkpoint differ; with write, either may be found out after it only. An error may also leave open whether the
	// transaction was committed; the caller finds out with Acquire. If write
	// panics, the transaction is rolled back and the panic goes on.
	//
	// With step.Activate, the same transaction makes this version Active. The
	// one that was Active becomes Retired, and so does every Building one that
	// is lower; the epochs of these are raised. From then on the name of each of
	// the version's tables stands for this version's table to whoever reads, and
	// the names of tables that only the former version had stand for nothing.
	// Readers see all of the former or all of the new one.
	//
	// write may be nil. It gets a ctx that it has to use, and a Tx that is not to
	// be used after it returns, nor to be committed or rolled back.
	Update(ctx context.Context, lease Lease, step Step, write func(ctx context.Context, tx Tx) error) (Lease, error)

	// Release ends the lease now, if the epoch is still that of the lease; else
	// it changes nothing and returns nil.
	Release(ctx context.Context, lease Lease) error

	// Versions returns the records of a projection in the order of their
	// versions. It locks nothing. An unknown projection has none.
	Versions(ctx context.Context, projection string) ([]Record, error)

	// SetStatus changes the status by hand, and raises the epoch:
	//
	//	Building  a Retired version may run again, from where it stopped; a
	//	          Dropped one from the beginning, as Fresh
	//	Retired   a Building version stops
	//	Dropped   a Building or Retired version stops, and its tables are removed
	//
	// CheckStatus decides which change is allowed. Setting the status that a
	// version has changes nothing, nor does Building for an Active one. It
	// returns ErrActive for a version that is Active, ErrNoVersion if there is
	// no such record, and an error that matches ErrInvalid for anything else.
	SetStatus(ctx context.Context, projection string, version int, status Status) error
}

// Claim is what Acquire is asked for.
type Claim struct {
	// Projection and Version say what of: 1 to 200 bytes of UTF-8 without NUL,
	// and at least 1.
	Projection string
	Version    int

	// Tables are the names that readers use for the version's tables.
	Tables []string

	// Owner is a name that nobody else uses: 1 to 200 bytes.
	Owner string

	// Duration is how long the lease lasts, at least a millisecond.
	Duration time.Duration
}

// Lease is the right to write one version of a projection.
type Lease struct {
	// Model gives the version's tables their names.
	Model Model

	// Status is Building or Active.
	Status Status

	// Owner, Duration and Tables are those of the claim.
	Owner    string
	Duration time.Duration
	Tables   []string

	// Epoch grows with every Acquire: a lease of an older one is void.
	Epoch int64

	// Fresh tells that nothing was ever updated: the tables are not there yet.
	Fresh bool

	// Checkpoint is how far the version has got, and Applied how many events it
	// took.
	Checkpoint eventstore.Checkpoint
	Applied    int64
}

// Step is what an Update moves.
type Step struct {
	// Checkpoint is the new one. It may be the one of the lease.
	Checkpoint eventstore.Checkpoint

	// Applied is how many events were applied since.
	Applied int64

	// Activate makes the version the one that is read.
	Activate bool
}

// Record is what a Target knows of one version of a projection.
type Record struct {
	Model      Model
	Status     Status
	Tables     []string
	Checkpoint eventstore.Checkpoint
	Applied    int64

	// Owner is who holds the lease, and Remaining for how long yet; "" and 0 if
	// nobody does.
	Owner     string
	Remaining time.Duration
}
