package cqrs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/parlance-go/parlance/cqrs"
)

// UploadContent is a command.
type UploadContent struct{ ID, Title string }

// FindContents is a query; what it returns is part of its type.
type FindContents struct {
	cqrs.Returns[[]string]
	Word string
}

func Example() {
	ctx := context.Background()
	titles := map[string]string{}

	commands := cqrs.NewCommands()
	err := cqrs.Handle(commands, func(_ context.Context, c UploadContent) error {
		titles[c.ID] = c.Title
		return nil
	})
	if err != nil {
		panic(err)
	}
	queries := cqrs.NewQueries()
	err = cqrs.Answer(queries, func(_ context.Context, q FindContents) (found []string, _ error) {
		for _, title := range titles {
			if strings.Contains(title, q.Word) {
				found = append(found, title)
			}
		}
		return found, nil
	})
	if err != nil {
		panic(err)
	}

	if err := cqrs.Send(ctx, commands, UploadContent{ID: "42", Title: "Go by example"}); err != nil {
		panic(err)
	}
	found, err := cqrs.Ask(ctx, queries, FindContents{Word: "Go"})
	fmt.Println(found, err)

	type Publish struct{ ID string }
	err = cqrs.Send(ctx, commands, Publish{ID: "42"})
	fmt.Println(err, errors.Is(err, cqrs.ErrUnknown))
	// Output:
	// [Go by example] <nil>
	// cqrs: send: no handler for cqrs_test.Publish true
}

func ExampleMiddleware() {
	logged := func(next cqrs.Next) cqrs.Next {
		return func(ctx context.Context, m cqrs.Message) error {
			err := next(ctx, m)
			fmt.Printf("%s %+v: %v\n", m.Name, m.Value, err)
			return err
		}
	}
	commands := cqrs.NewCommands(logged)
	err := cqrs.Handle(commands, func(_ context.Context, c UploadContent) error {
		if c.Title == "" {
			return errors.New("no title")
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
	for _, title := range []string{"Go", ""} {
		_ = cqrs.Send(context.Background(), commands, UploadContent{ID: "42", Title: title})
	}
	// Output:
	// cqrs_test.UploadContent {ID:42 Title:Go}: <nil>
	// cqrs_test.UploadContent {ID:42 Title:}: no title
}

func ExampleSend() {
	ctx := context.Background()
	commands := cqrs.NewCommands()
	handle := func(_ context.Context, c UploadContent) error {
		if c.Title == "" {
			return errors.New("no title")
		}
		return nil
	}
	fmt.Println(cqrs.Handle(commands, handle))
	fmt.Println(cqrs.Handle(commands, handle)) // a type has one handler
	fmt.Println(cqrs.Send(ctx, commands, UploadContent{ID: "42", Title: "Go"}))
	fmt.Println(cqrs.Send(ctx, commands, UploadContent{ID: "43"}))
	// Output:
	// <nil>
	// cqrs: handle: cqrs_test.UploadContent has a handler already
	// <nil>
	// no title
}

func ExampleAsk() {
	ctx := context.Background()
	queries := cqrs.NewQueries()
	err := cqrs.Answer(queries, func(_ context.Context, q FindContents) ([]string, error) {
		return []string{q.Word + " by example"}, nil
	})
	if err != nil {
		panic(err)
	}
	found, err := cqrs.Ask(ctx, queries, FindContents{Word: "Go"}) // found is a []string
	fmt.Println(len(found), found[0], err)
	// Output: 1 Go by example <nil>
}
