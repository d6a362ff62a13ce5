package cqrs

import (
	"context"
	"fmt"
)

// ActiveModel returns the model of the version of a projection that is read, for
// those who read tables by their real names. The tables stay until the version
// is dropped, also when another one becomes active in the meantime. The error
// matches ErrNoVersion if no version has caught up yet.
func ActiveModel[Tx any](ctx context.Context, target Target[Tx], projection string) (Model, error) {
	records, err := target.Versions(ctx, projection)
	if err != nil {
		return Model{}, fmt.Errorf("cqrs: active version of %q: %w", projection, err)
	}
	for _, record := range records {
		if record.Status == Active {
			return record.Model, nil
		}
	}
	return Model{}, fmt.Errorf("cqrs: active version of %q: %w", projection, ErrNoVersion)
}

// Reinstate lets a version run again that another one has taken the place of:
// the way back when a new version turns out to be wrong. Its Run goes on from
// where it had stopped and, having caught up, takes the place back. Until then
// the present version stays the one that is read. A version that was dropped
// begins anew.
//
// It returns errors that match ErrNoVersion.
func Reinstate[Tx any](ctx context.Context, target Target[Tx], projection string, version int) error {
	return setStatus(ctx, "reinstate", target, projection, version, Building)
}

// Retire stops a version that is being built and is not wanted any more.
//
// It returns errors that match ErrActive or ErrNoVersion.
func Retire[Tx any](ctx context.Context, target Target[Tx], projection string, version int) error {
	return setStatus(ctx, "retire", target, projection, version, Retired)
}

// Drop removes the tables of a version for good, when nobody will want it back
// and no reader is at work in them.
//
// It returns errors that match ErrActive or ErrNoVersion.
func Drop[Tx any](ctx context.Context, target Target[Tx], projection string, version int) error {
	return setStatus(ctx, "drop", target, projection, version, Dropped)
}

func setStatus[Tx any](ctx context.Context, verb string, target Target[Tx], projection string, version int, status Status) error {
	if err := target.SetStatus(ctx, projection, version, status); err != nil {
		return fmt.Errorf("cqrs: %s %q, version %d: %w", verb, projection, version, err)
	}
	return nil
}
