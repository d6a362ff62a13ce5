// Package system connects the parts of the reference system: commands to the
// aggregate, queries to the read model, events to both and to the processing, and
// all of these to the services that they call.
package system

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/blob"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/intake"
	"github.com/parlance-go/parlance/examples/education/internal/processing"
	"github.com/parlance-go/parlance/examples/education/internal/readmodel"
	"github.com/parlance-go/parlance/examples/education/internal/service"
	"github.com/parlance-go/parlance/examples/education/internal/service/reading"
	"github.com/parlance-go/parlance/examples/education/internal/service/search"
	"github.com/parlance-go/parlance/policy"
)

// Options say where and how contents are kept.
type Options struct {
	// Data is a folder for the files and, without Postgres, the database. It is
	// made if it is not there. One System at a time may use it.
	Data string

	// Postgres is the URL of a database.
	// Defaults to SQLite, in Data.
	Postgres string

	// MaxSize is the largest file that is taken, in bytes.
	MaxSize int64

	// Calls say how the services are called.
	// Defaults to the defaults of package policy.
	Calls policy.Settings

	// Around, if not nil, returns what a service is served by in place of its own
	// handler. It is for tests of what happens when a service fails.
	Around func(service string, handler http.Handler) http.Handler

	// Logger is told of trouble.
	Logger *slog.Logger
}

// System is everything behind the page.
type System struct {
	Store    *eventstore.Store
	Commands *cqrs.Commands
	Queries  *cqrs.Queries
	Intake   *intake.Intake
	Blobs    *blob.Folder
	Search   search.Client

	// Place says where events and read model are kept.
	Place string

	processing reading.Client
	servers    []*service.Server

	workers []func(ctx context.Context) error
	catchUp func(ctx context.Context) error
	close   func() error
	unlock  func()
}

// Open opens a System. Nothing is processed before Start.
func Open(ctx context.Context, o Options) (_ *System, err error) {
	unlock, err := openData(o.Data)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			unlock()
		}
	}()
	s, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	s.unlock = unlock
	return s, nil
}

func open(ctx context.Context, o Options) (*System, error) {
	if o.Postgres != "" {
		s, err := openPostgres(ctx, o.Postgres, o.Logger)
		if err != nil {
			return nil, err
		}
		return assemble(ctx, s, o)
	}
	s, err := openSQLite(ctx, o.Data)
	if err != nil {
		return nil, err
	}
	return assemble(ctx, s, o)
}

// Close closes what Open opened, after the workers have been stopped.
func (s *System) Close() error {
	err := s.close()
	for _, server := range s.servers {
		err = errors.Join(err, server.Close())
	}
	s.unlock()
	return err
}

// Services returns how the calls to each service fare.
func (s *System) Services() []service.Status {
	return []service.Status{s.processing.Status(), s.Search.Status()}
}

// CatchUp brings the read model up to all events there are, while no workers
// run.
func (s *System) CatchUp(ctx context.Context) error { return s.catchUp(ctx) }

// Ready waits until the read model can be asked: the first time, it has to be
// built.
func (s *System) Ready(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := cqrs.Ask(ctx, s.Queries, readmodel.Summary{}); !errors.Is(err, cqrs.ErrNoVersion) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// openData makes the folder for the data, and keeps other programs away from
// it.
func openData(path string) (unlock func(), err error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("-data: %w", err)
	}
	// The folder may be in a source tree, and does not belong to the sources.
	ignore := filepath.Join(path, ".gitignore")
	if _, err := os.Stat(ignore); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(ignore, []byte("*\n"), 0o600); err != nil {
			return nil, fmt.Errorf("-data: %w", err)
		}
	}
	unlock, err = lockFile(filepath.Join(path, "lock"))
	if err != nil {
		return nil, fmt.Errorf("-data: %w", err)
	}
	return unlock, nil
}

// owner is the name of the program to whom projections and reactions belong.
// Only one runs at a time, since it holds a lock; so one that comes after one
// that was killed need not wait.
const owner = "education"

func assemble[Tx any](ctx context.Context, storage *storage[Tx], o Options) (_ *System, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, storage.close())
		}
	}()
	blobs, err := blob.Open(filepath.Join(o.Data, "files"))
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
	s := &System{
		Store: storage.store, Commands: commands, Queries: queries, Blobs: blobs,
		Intake: &intake.Intake{Contents: contents, Commands: commands, Blobs: blobs, MaxSize: o.MaxSize},
		Place:  storage.place, close: storage.close,
	}

	defer func() {
		for _, server := range s.servers {
			if err != nil {
				err = errors.Join(err, server.Close())
			}
		}
	}()
	if err := s.serve(ctx, o); err != nil {
		return nil, err
	}

	projector, err := cqrs.NewProjector(storage.store, storage.target, storage.projection, cqrs.Config{Owner: owner, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	s.catchUp = projector.CatchUp
	s.workers = append(s.workers, projector.Run)
	processor := &processing.Processor{
		Contents: contents, Commands: commands, Reader: s.processing,
	}
	for _, reaction := range processor.Reactions() {
		// After a crash the reactions to a few events are repeated, which does
		// no harm; in return, not each of them costs a transaction.
		reactor, err := cqrs.NewReactor(storage.store, storage.target, reaction, cqrs.Config{Owner: owner, Logger: o.Logger, BatchSize: 16})
		if err != nil {
			return nil, err
		}
		s.workers = append(s.workers, reactor.Run)
	}
	return s, nil
}

// Start runs the services and the workers. One that fails ends the context that
// Start returns; stop ends them, waits until all are done, and may be called again.
func (s *System) Start(parent context.Context) (ctx context.Context, stop func() error) {
	ctx, cancel := context.WithCancelCause(parent)
	// The workers go on while the page is being shut down, and the services as long
	// as anybody may call them.
	running, end := context.WithCancel(context.WithoutCancel(parent))
	serving, endServing := context.WithCancel(context.WithoutCancel(parent))
	var workers, servers sync.WaitGroup
	var once sync.Once
	var failure error
	run := func(what string, ctx context.Context, run func(context.Context) error) {
		if err := run(ctx); err != nil {
			once.Do(func() { failure = err })
			cancel(fmt.Errorf("%s: %w", what, err))
			end()
		}
	}
	for _, server := range s.servers {
		servers.Go(func() { run("service", serving, server.Run) })
	}
	for _, worker := range s.workers {
		workers.Go(func() { run("worker", running, worker) })
	}
	return ctx, func() error {
		end()
		workers.Wait()
		s.processing.CloseIdle()
		s.Search.CloseIdle()
		endServing()
		servers.Wait()
		cancel(nil)
		return failure
	}
}
