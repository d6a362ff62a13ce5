package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/parlance-go/parlance/examples/education/internal/system"
	"github.com/parlance-go/parlance/examples/education/internal/web"
)

// drain is how long requests may go on after Ctrl-C.
const drain = 10 * time.Second

// errInterrupted tells that the program was told to stop before it was done.
var errInterrupted = errors.New("interrupted; run it again to go on where it stopped")

// educate imports, and then serves until ctx is done.
func educate(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	calls, err := loadCalls(o.policy)
	if err != nil {
		return err
	}
	s, err := system.Open(ctx, system.Options{
		Data: o.data, Postgres: o.postgres, MaxSize: int64(o.maxSize), Calls: calls, Logger: logger,
	})
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()

	var listener net.Listener
	if !o.once {
		// Before the import: who has to choose another port should not wait.
		if listener, err = listen(ctx, o.address); err != nil {
			return err
		}
		defer func() { _ = listener.Close() }() // when there is nothing to serve after all
	}
	working, stop := s.Start(ctx)
	defer func() { err = errors.Join(err, stop()) }()
	if o.once {
		if err := importAll(working, s, o, stderr); err != nil {
			return interrupted(ctx, err)
		}
		if err := stop(); err != nil {
			return err
		}
		if err := s.CatchUp(ctx); err != nil {
			return interrupted(ctx, err)
		}
		return summarize(ctx, s, stdout)
	}
	return serve(working, s, listener, logger, func() error {
		if err := importAll(working, s, o, stderr); err != nil {
			return err
		}
		if err := s.Ready(working); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "Open http://%s in a browser. Ctrl-C ends the program.\n", listener.Addr())
		return nil
	})
}

// interrupted returns errInterrupted in place of an error that says no more than
// that.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return errInterrupted
	}
	return err
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with -addr, such as -addr 127.0.0.1:0 for any free port", err)
	}
	return listener, nil
}

// serve answers requests, also while the import is under way, until ctx is done
// or something fails. Then it lets the requests end.
func serve(ctx context.Context, s *system.System, listener net.Listener, logger *slog.Logger, work func() error) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	site, err := web.New(life, web.Config{
		Store: s.Store, Commands: s.Commands, Queries: s.Queries, Intake: s.Intake, Blobs: s.Blobs,
		Search: s.Search, Services: s.Services, Logger: logger,
	})
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           site,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Minute, // for an upload over a slow line
		WriteTimeout:      11 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	server.RegisterOnShutdown(end)
	ended := make(chan error, 2)
	go func() { ended <- server.Serve(listener) }()
	worked := make(chan struct{})
	go func() {
		defer close(worked)
		if err := work(); err != nil {
			ended <- err
		}
	}()
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if late := server.Shutdown(grace); late != nil {
		_ = server.Close() // what is still open has had its time
	}
	<-worked
	if err = interrupted(ctx, err); errors.Is(err, errInterrupted) {
		return nil // this is how serving ends
	}
	return err
}
