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

// attemptShare is the part of a call's time that one attempt of a search has: time
// for three, and the delays between them.
const attemptShare = 0.3

// serve gives each service a port, and makes the clients by which the rest of the
// system calls it. In a larger system each would be a program of its own, and only
// the addresses would be other ones.
func (s *System) serve(ctx context.Context, o Options) error {
	// What was kept has passed MaxSize.
	reader := reading.New(s.Blobs, extract.Limits{Bytes: math.MaxInt64 - 1}, o.Logger)
	client, err := s.connect(ctx, o, reader.Handler(), service.Config{
		Name: reading.Name, Hop: retry.ServiceToService,
	})
	if err != nil {
		return err
	}
	s.processing = reading.Client{Client: client}

	// Somebody waits in front of a page.
	client, err = s.connect(ctx, o, search.New(s.Queries, o.Logger).Handler(), service.Config{
		Name: search.Name, Hop: retry.GatewayToService, AttemptShare: attemptShare,
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
	c.URL, c.Calls, c.Logger = server.URL(), o.Calls, o.Logger
	client, err := service.NewClient(c)
	if err != nil {
		return nil, fmt.Errorf("-policy: %w", err)
	}
	return client, nil
}
