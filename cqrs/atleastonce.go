package cqrs

import "context"

// AtLeastOnce returns a Target for read models in a place that has no
// transactions, or none together with target: files, a search engine, a cache.
// What is written goes to client; target keeps checkpoint and ownership.
//
// Apply runs first, and the checkpoint moves after it. So each event is applied
// at least once, in order, and again if the process dies, the lease is lost, or
// the target does not answer in between; up to Config.BatchSize events at a
// time. Apply must therefore come to the same when it is repeated: let it
// overwrite rather than add, or have the place keep the version of the stream
// that it has got to, and refuse older ones. The latter also keeps an owner that
// was frozen past its lease from going back behind the next one. Readers find
// the active version with [ActiveModel]; Setup and the removal of old tables are
// repeated or left to the program likewise.
func AtLeastOnce[Client, Tx any](target Target[Tx], client Client) Target[Client] {
	return &atLeastOnce[Client, Tx]{Target: target, client: client}
}

type atLeastOnce[Client, Tx any] struct {
	Target[Tx]
	client Client
}

func (a *atLeastOnce[Client, Tx]) Update(ctx context.Context, lease Lease, step Step, write func(context.Context, Client) error) (Lease, error) {
	if write != nil {
		if err := write(ctx, a.client); err != nil {
			return Lease{}, err
		}
	}
	// What was done should be remembered, even if it took too long: else it
	// would take too long again, and again be done in vain.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lease.Duration/2)
	defer cancel()
	return a.Target.Update(ctx, lease, step, nil)
}
