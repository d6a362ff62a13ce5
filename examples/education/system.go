package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/blob"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/examples/education/internal/intake"
	"github.com/parlance-go/parlance/examples/education/internal/processing"
	"github.com/parlance-go/parlance/examples/education/internal/readmodel"
)

// system is everything behind the page.
type system struct {
	store    *eventstore.Store
	commands *cqrs.Commands
	queries  *cqrs.Queries
	intake   *intake.Intake
	blobs    *blob.Folder
	place    string

	workers []func(ctx context.Context) error
	catchUp func(ctx context.Context) error
	close   func() error
}

func openSystem(ctx context.Context, o options, logger *slog.Logger) (*system, error) {
	if o.postgres != "" {
		s, err := openPostgres(ctx, o.postgres, logger)
		if err != nil {
			return nil, err
		}
		return assemble(s, o, logger)
	}
	s, err := openSQLite(ctx, o.data)
	if err != nil {
		return nil, err
	}
	return assemble(s, o, logger)
}

// assemble connects the parts: commands to the aggregate, queries to the read
// model, events to the read model and to the processing.
func assemble[Tx any](storage *storage[Tx], o options, logger *slog.Logger) (_ *system, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, storage.close())
		}
	}()
	blobs, err := blob.Open(filepath.Join(o.data, "files"))
	if err != nil {
		return nil, err
	}
	contents, err := content.NewRepository(storage.store)
	if err != nil {
		return nil, err
	}
	commands, queries := cqrs.NewCommands(), cqrs.NewQueries()
	if err := errors.Join(content.Handle(commands, contents), readmodel.Answer(queries, storage.reader)); err != nil {
		return nil, err
	}
	s := &system{
		store: storage.store, commands: commands, queries: queries, blobs: blobs,
		intake: &intake.Intake{Contents: contents, Commands: commands, Blobs: blobs, MaxSize: int64(o.maxSize)},
		place:  storage.place, close: storage.close,
	}

	projector, err := cqrs.NewProjector(storage.store, storage.target, storage.projection, cqrs.Config{Logger: logger})
	if err != nil {
		return nil, err
	}
	s.catchUp = projector.CatchUp
	s.workers = append(s.workers, projector.Run)
	processor := &processing.Processor{
		Contents: contents, Commands: commands, Blobs: blobs, Logger: logger,
		Limits: extract.Limits{Bytes: maxSize}, // what is in the folder has passed -max-size
	}
	for _, reaction := range processor.Reactions() {
		// After a crash the reactions to a few events are repeated, which does
		// no harm; in return, not each of them costs a transaction.
		reactor, err := cqrs.NewReactor(storage.store, storage.target, reaction, cqrs.Config{Logger: logger, BatchSize: 16})
		if err != nil {
			return nil, err
		}
		s.workers = append(s.workers, reactor.Run)
	}
	return s, nil
}

// start runs the workers. One that fails ends the context that start returns;
// stop waits until all are done.
func (s *system) start(parent context.Context) (ctx context.Context, stop func() error) {
	ctx, cancel := context.WithCancelCause(parent)
	// The workers go on while the page is being shut down.
	running, end := context.WithCancel(context.WithoutCancel(parent))
	var group sync.WaitGroup
	var once sync.Once
	var failure error
	for _, worker := range s.workers {
		group.Go(func() {
			if err := worker(running); err != nil {
				once.Do(func() { failure = err })
				cancel(fmt.Errorf("worker: %w", err))
				end()
			}
		})
	}
	return ctx, func() error {
		end()
		group.Wait()
		cancel(nil)
		return failure
	}
}
