package aggregate_test

import (
	"context"

	"github.com/parlance-go/parlance/eventstore"
)

// faulty is a driver into which a test reaches at the moments that matter. Each
// function may be nil; an error that one returns is what the caller gets.
type faulty struct {
	eventstore.Driver
	beforeRead   func(r eventstore.StreamRange) error
	beforeAppend func(writes []eventstore.Write) error
	afterAppend  func(writes []eventstore.Write) error
}

func (f *faulty) ReadStream(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error) {
	if f.beforeRead != nil {
		if err := f.beforeRead(r); err != nil {
			return eventstore.StreamPage{}, err
		}
	}
	return f.Driver.ReadStream(ctx, r)
}

func (f *faulty) Append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	if f.beforeAppend != nil {
		if err := f.beforeAppend(writes); err != nil {
			return err
		}
	}
	err := f.Driver.Append(ctx, writes, results)
	if err == nil && f.afterAppend != nil {
		err = f.afterAppend(writes)
	}
	return err
}
