package eventstore_test

import (
	"context"

	"github.com/parlance-go/parlance/eventstore"
)

// fakeDriver is a driver some of whose methods a test stands in for. It does
// not count. One without a driver behind panics when it is called.
type fakeDriver struct {
	eventstore.Driver
	append     func(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error
	readStream func(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error)
	readAll    func(ctx context.Context, r eventstore.AllRange) (eventstore.Page, error)
	wait       func(ctx context.Context, after eventstore.Checkpoint) error
}

func (d fakeDriver) Append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	if d.append != nil {
		return d.append(ctx, writes, results)
	}
	return d.Driver.Append(ctx, writes, results)
}

func (d fakeDriver) ReadStream(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error) {
	if d.readStream != nil {
		return d.readStream(ctx, r)
	}
	return d.Driver.ReadStream(ctx, r)
}

func (d fakeDriver) ReadAll(ctx context.Context, r eventstore.AllRange) (eventstore.Page, error) {
	if d.readAll != nil {
		return d.readAll(ctx, r)
	}
	return d.Driver.ReadAll(ctx, r)
}

func (d fakeDriver) Wait(ctx context.Context, after eventstore.Checkpoint) error {
	if d.wait != nil {
		return d.wait(ctx, after)
	}
	return d.Driver.Wait(ctx, after)
}
