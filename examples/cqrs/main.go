// Cqrs sends commands to what changes, asks queries of what is read, and keeps
// the latter up to date with a projection of the events in between.
//
//	go run ./examples/cqrs
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
)

// PostComment is a command.
type PostComment struct{ Course, Text string }

// CountComments is a query, and its result a number.
type CountComments struct {
	cqrs.Returns[int]

	Course string
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	readModel := cqrs.NewMemory[int]()

	// The side that changes: commands become events. Middleware goes around
	// each of them.
	commands := cqrs.NewCommands(func(next cqrs.Next) cqrs.Next {
		return func(ctx context.Context, message cqrs.Message) error {
			fmt.Fprintln(w, "command", message.Name)
			return next(ctx, message)
		}
	})
	err := cqrs.Handle(commands, func(ctx context.Context, c PostComment) error {
		_, err := store.Append(ctx, "comments-"+c.Course, eventstore.Any,
			eventstore.Event{Type: "CommentPosted", Data: []byte(c.Text)})
		return err
	})
	if err != nil {
		return err
	}

	// In between: events become rows, each of them exactly once.
	counter, err := cqrs.NewProjector(store, readModel, cqrs.Projection[*cqrs.MemoryTx[int]]{
		Name: "comment counts", Tables: []string{"counts"},
		Apply: func(_ context.Context, tx *cqrs.MemoryTx[int], model cqrs.Model, events []eventstore.Recorded) error {
			table := model.Table("counts")
			for _, event := range events {
				count, _ := tx.Get(table, event.Stream)
				tx.Put(table, event.Stream, count+1)
			}
			return nil
		},
	}, cqrs.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}

	// The side that is read: queries are answered from the rows.
	queries := cqrs.NewQueries()
	err = cqrs.Answer(queries, func(_ context.Context, q CountComments) (int, error) {
		count, _ := readModel.Row("counts", "comments-"+q.Course)
		return count, nil
	})
	if err != nil {
		return err
	}

	for _, text := range []string{"What is a goroutine?", "Thanks!"} {
		if err := cqrs.Send(ctx, commands, PostComment{Course: "go", Text: text}); err != nil {
			return err
		}
	}
	// A service runs counter.Run beside its work; this program has an end.
	if err := counter.CatchUp(ctx); err != nil {
		return err
	}
	count, err := cqrs.Ask(ctx, queries, CountComments{Course: "go"})
	if err != nil {
		return err
	}
	fmt.Fprintln(w, count, "comments")
	return nil
}
