// Storm lets a thousand clients call through three tiers of services while the
// server behind them fails and comes back, and draws what that server has to
// bear: with the retries that everybody writes first, with retries under a budget,
// and with a whole policy.
//
//	go run ./examples/storm
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"time"
)

func main() {
	var plan plan
	flag.IntVar(&plan.clients, "clients", 1000, "`number` of clients, each with about one call a second")
	flag.DurationVar(&plan.healthy, "healthy", 3*time.Second, "`time` before the outage")
	flag.DurationVar(&plan.outage, "outage", 10*time.Second, "`time` for which the server fails")
	flag.DurationVar(&plan.recovery, "recovery", 7*time.Second, "`time` after the outage")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, plan)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// A plan says how many clients call, and when the server fails.
type plan struct {
	clients                   int
	healthy, outage, recovery time.Duration
}

func (p plan) check() error {
	if p.clients < 1 || p.clients > 100_000 {
		return fmt.Errorf("-clients is %d, want 1 to 100000", p.clients)
	}
	for name, d := range map[string]time.Duration{"healthy": p.healthy, "outage": p.outage, "recovery": p.recovery} {
		if d < time.Second || d > time.Hour || d%time.Second != 0 {
			return fmt.Errorf("-%s is %s, want whole seconds from 1s to 1h", name, d)
		}
	}
	return nil
}

// down reports whether the server fails in the second that begins then.
func (p plan) down(then time.Duration) bool { return then >= p.healthy && then < p.healthy+p.outage }

// run plays the plan in three worlds at once, which differ only in how their tiers
// call each other, and writes a line each second.
func run(ctx context.Context, w io.Writer, p plan) error {
	if err := p.check(); err != nil {
		return err
	}
	worlds, err := newWorlds()
	if err != nil {
		return err
	}

	fmt.Fprintf(w, "%d clients, three tiers, three attempts in each. Requests a second at the last server:\n\n", p.clients)
	plot := newPlot(w, worlds)
	// Half a second more, for the line of the last one.
	ctx, stop := context.WithTimeout(ctx, p.healthy+p.outage+p.recovery+time.Second/2)
	defer stop()
	var clients sync.WaitGroup
	for _, world := range worlds {
		for range p.clients {
			clients.Go(func() { world.client(ctx) })
		}
	}

	begin := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			clients.Wait()
			plot.summary()
			return nil
		}
		now := time.Since(begin).Round(time.Second)
		was := p.down(now - time.Second)
		plot.line(now, was, now-p.healthy-p.outage)
		if down := p.down(now); down != was {
			for _, world := range worlds {
				world.server.down.Store(down)
			}
		}
	}
}
