package system

import (
	"context"
	"fmt"
	"math"
	"net/http"

	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/examples/education/internal/service"
	"github.com/parlance-go/parlance/examples/education/internal/service/reading"
	"github.com/parlance-go/parlance/examples/education/internal/service/search"
	"github.com/parlance-go/parlance/retry"
)

// serve gives each service a port, and makes the clients by which the rest of the
// system calls it. In a larger system each would be a program of its own, and only
// the addresses would be other ones.
func (s *System) serve(ctx context.Context, o Options) error {
	// What was kept has passed MaxSize.
	reader := reading.New(s.Blobs, extract.Limits{Bytes: math.MaxInt64 - 1}, o.Logger)
	client, err := s.connect(ctx, o, reader.Handler(), service.Config{
		Name: reading.Name, Hop: retry.ServiceToService, Calls: o.Calls,
	})
	if err != nil {
		return err
	}
	s.processing = reading.Client{Client: client}

	// Somebody waits in front of a page: there is time for three attempts, and the
	// delays between them.
	calls := o.Calls
	if calls.AttemptTimeout == 0 {
		calls.AttemptTimeout = calls.Timeouts.For(retry.GatewayToService) * 3 / 10
	}
	client, err = s.connect(ctx, o, search.New(s.Queries, o.Logger).Handler(), service.Config{
		Name: search.Name, Hop: retry.GatewayToService, Calls: calls,
	})
	if err != nil {
		return err
	}
	s.Search = search.Client{Client: client}
	return nil
}

func (s *System) connect(ctx context.Context, o Options, handler http.Handler, c service.Config) (*service.Client, error) {
	if o.Around != nil {
		handler = o.Around(c.Name, handler)
	}
	server, err := service.Listen(ctx, c.Name, handler, o.Logger)
	if err != nil {
		return nil, err
	}
	s.servers = append(s.servers, server)
	c.URL, c.Logger = server.URL(), o.Logger
	client, err := service.NewClient(c)
	if err != nil {
		return nil, fmt.Errorf("-policy: %w", err)
	}
	return client, nil
}
