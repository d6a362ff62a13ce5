package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	// longest is how much time a request has if its caller leaves it more, or does
	// not say.
	longest = 30 * time.Second
	// maxRequest is the largest body of a request, in bytes.
	maxRequest = 64 << 10
	// drain is how long requests may go on after Run was told to end.
	drain = 5 * time.Second
)

// Server serves one service.
type Server struct {
	name     string
	listener net.Listener
	server   *http.Server
}

// Listen takes a free port of this machine for a service. Requests are answered
// once Run is called.
func Listen(ctx context.Context, name string, handler http.Handler, logger *slog.Logger) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("service: %s: %w", name, err)
	}
	logger = logger.With("service", name)
	return &Server{
		name:     name,
		listener: listener,
		server: &http.Server{
			Handler:           guard(handler, listener.Addr().String(), logger),
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			WriteTimeout:      longest + 10*time.Second,
			IdleTimeout:       time.Minute,
			MaxHeaderBytes:    64 << 10,
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		},
	}, nil
}

// URL returns where the service is.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Run answers requests until ctx is done. Then it lets those that are under way
// end, and returns nil. It can be called once.
func (s *Server) Run(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- s.server.Serve(s.listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("service: %s: %w", s.name, err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := s.server.Shutdown(grace); err != nil {
		_ = s.server.Close() // what is still open has had its time
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("service: %s: %w", s.name, err)
	}
	return nil
}

// Close gives the port back, whether Run was called or not. It may be called
// again.
func (s *Server) Close() error {
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("service: %s: %w", s.name, err)
	}
	return nil
}
