package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/parlance-go/parlance/examples/education/internal/web"
)

// drain is how long requests may go on after Ctrl-C.
const drain = 10 * time.Second

// educate imports, and then serves until ctx is done.
func educate(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	unlock, err := openData(o.data)
	if err != nil {
		return err
	}
	defer unlock()
	system, err := openSystem(ctx, o, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, system.close()) }()

	var listener net.Listener
	if !o.once {
		// Before the import: who has to choose another port should not wait.
		if listener, err = listen(ctx, o.address); err != nil {
			return err
		}
		defer listener.Close()
	}
	working, stop := system.start(ctx)
	defer func() { err = errors.Join(err, stop()) }()
	if o.once {
		if err := importAll(working, system, o, stderr); err != nil {
			return quiet(ctx, err)
		}
		if err := stop(); err != nil {
			return err
		}
		if err := system.catchUp(ctx); err != nil {
			return quiet(ctx, err)
		}
		return summarize(ctx, system, stdout)
	}
	return serve(working, system, listener, logger, func() error {
		if err := importAll(working, system, o, stderr); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "Open http://%s in a browser. Ctrl-C ends the program.\n", listener.Addr())
		return nil
	})
}

// quiet leaves out an error that only says that the program was told to stop.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return nil
	}
	return err
}

// openData makes the folder for the program's data, and keeps other programs
// away from it.
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

func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with -addr, such as -addr 127.0.0.1:0 for any free port", err)
	}
	return listener, nil
}

// serve answers requests, also while the import is under way, until ctx is done
// or something fails. Then it lets the requests end.
func serve(ctx context.Context, s *system, listener net.Listener, logger *slog.Logger, work func() error) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	site, err := web.New(life, web.Config{
		Store: s.store, Commands: s.commands, Queries: s.queries, Intake: s.intake, Blobs: s.blobs, Logger: logger,
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
	return quiet(ctx, err)
}
