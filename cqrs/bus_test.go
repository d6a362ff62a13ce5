package cqrs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/internal/assert"
)

type upload struct{ Title string }

type publish struct{ ID int }

type search struct {
	cqrs.Returns[[]string]
	Words string
}

type length struct {
	cqrs.Returns[int]
	Of string
}

var errRefused = errors.New("refused")

func TestSendTakesACommandToTheHandlerOfItsType(t *testing.T) {
	commands := cqrs.NewCommands()
	var uploaded []upload
	assert.NoError(t, cqrs.Handle(commands, func(_ context.Context, c upload) error {
		uploaded = append(uploaded, c)
		return nil
	}))
	assert.NoError(t, cqrs.Handle(commands, func(context.Context, publish) error { return errRefused }))
	assert.NoError(t, cqrs.Handle(commands, func(_ context.Context, c *upload) error {
		c.Title = "by pointer"
		return nil
	}))

	assert.NoError(t, cqrs.Send(t.Context(), commands, upload{"a"}))
	assert.Equal(t, cqrs.Send(t.Context(), commands, publish{1}), errRefused, "the handler's error as it is")
	pointed := &upload{"b"}
	assert.NoError(t, cqrs.Send(t.Context(), commands, pointed))
	assert.Equal(t, pointed.Title, "by pointer")
	assert.Equal(t, uploaded, []upload{{"a"}})
}

func TestUnknownAndRegistered(t *testing.T) {
	commands, queries := cqrs.NewCommands(), cqrs.NewQueries()
	err := cqrs.Send(t.Context(), commands, upload{})
	assert.ErrorIs(t, err, cqrs.ErrUnknown)
	unknown := assert.ErrorAs[*cqrs.UnknownError](t, err)
	assert.Equal(t, unknown.Name, "cqrs_test.upload")
	assert.False(t, unknown.Retryable())
	_, err = cqrs.Ask(t.Context(), queries, search{})
	assert.ErrorIs(t, err, cqrs.ErrUnknown)
	assert.Equal(t, assert.ErrorAs[*cqrs.UnknownError](t, err).Name, "cqrs_test.search")

	first := func(context.Context, upload) error { return nil }
	assert.NoError(t, cqrs.Handle(commands, first))
	err = cqrs.Handle(commands, func(context.Context, upload) error { return errRefused })
	assert.ErrorIs(t, err, cqrs.ErrRegistered)
	assert.Equal(t, assert.ErrorAs[*cqrs.RegisteredError](t, err).Name, "cqrs_test.upload")
	assert.NoError(t, cqrs.Send(t.Context(), commands, upload{}), "the first handler stays")

	answer := func(context.Context, search) ([]string, error) { return nil, nil }
	assert.NoError(t, cqrs.Answer(queries, answer))
	assert.ErrorIs(t, cqrs.Answer(queries, answer), cqrs.ErrRegistered)

	assert.ErrorIs(t, cqrs.Handle[publish](commands, nil), cqrs.ErrInvalid)
	assert.ErrorIs(t, cqrs.Answer[length](queries, nil), cqrs.ErrInvalid)
	assert.Panics(t, func() { cqrs.NewCommands(nil) })
}

func TestAskInfersTheResult(t *testing.T) {
	queries := cqrs.NewQueries()
	assert.NoError(t, cqrs.Answer(queries, func(_ context.Context, q search) ([]string, error) {
		return []string{q.Words, "!"}, nil
	}))
	assert.NoError(t, cqrs.Answer(queries, func(_ context.Context, q length) (int, error) {
		return len(q.Of), errRefused
	}))
	var found []string
	found, err := cqrs.Ask(t.Context(), queries, search{Words: "go"})
	assert.NoError(t, err)
	assert.Equal(t, found, []string{"go", "!"})
	n, err := cqrs.Ask(t.Context(), queries, length{Of: "four"})
	assert.Equal(t, err, errRefused, "the error as it is")
	assert.Equal(t, n, 4, "the result beside an error")
}

type anyCommand interface{ Kind() string }

func (upload) Kind() string  { return "upload" }
func (publish) Kind() string { return "publish" }

func TestMessagesInAnInterfaceFindTheHandlerOfTheirType(t *testing.T) {
	for _, middleware := range [][]cqrs.Middleware{nil, {func(next cqrs.Next) cqrs.Next { return next }}} {
		commands := cqrs.NewCommands(middleware...)
		var got []string
		assert.NoError(t, cqrs.Handle(commands, func(_ context.Context, c upload) error {
			got = append(got, c.Title)
			return nil
		}))
		assert.NoError(t, cqrs.Handle(commands, func(_ context.Context, c fmt.Stringer) error {
			t.Error("the handler of another interface")
			return nil
		}))
		for _, command := range []anyCommand{upload{"a"}, upload{"b"}} {
			assert.NoError(t, cqrs.Send(t.Context(), commands, command))
		}
		assert.NoError(t, cqrs.Send(t.Context(), commands, any(upload{"c"})))
		assert.ErrorIs(t, cqrs.Send(t.Context(), commands, anyCommand(publish{})), cqrs.ErrUnknown)
		assert.ErrorIs(t, cqrs.Send[anyCommand](t.Context(), commands, nil), cqrs.ErrUnknown)
		assert.Equal(t, got, []string{"a", "b", "c"})

		queries := cqrs.NewQueries(middleware...)
		assert.NoError(t, cqrs.Answer(queries, func(_ context.Context, q length) (int, error) { return len(q.Of), nil }))
		var query cqrs.Query[int] = length{Of: "abc"}
		n, err := cqrs.Ask(t.Context(), queries, query)
		assert.NoError(t, err)
		assert.Equal(t, n, 3)
	}
}

func TestMiddleware(t *testing.T) {
	var calls []string
	trace := func(name string) cqrs.Middleware {
		return func(next cqrs.Next) cqrs.Next {
			return func(ctx context.Context, m cqrs.Message) error {
				calls = append(calls, name+" "+m.Name)
				err := next(ctx, m)
				calls = append(calls, name+" back")
				return err
			}
		}
	}
	retry := func(next cqrs.Next) cqrs.Next {
		return func(ctx context.Context, m cqrs.Message) error {
			if err := next(ctx, m); err == nil {
				return nil
			}
			return next(ctx, m)
		}
	}
	commands := cqrs.NewCommands(trace("outer"), retry, trace("inner"))
	tries := 0
	assert.NoError(t, cqrs.Handle(commands, func(context.Context, upload) error {
		if tries++; tries == 1 {
			return errRefused
		}
		return nil
	}))
	assert.NoError(t, cqrs.Send(t.Context(), commands, upload{}))
	assert.Equal(t, calls, []string{
		"outer cqrs_test.upload", "inner cqrs_test.upload", "inner back",
		"inner cqrs_test.upload", "inner back", "outer back",
	})

	trim := func(next cqrs.Next) cqrs.Next {
		return func(ctx context.Context, m cqrs.Message) error {
			switch q := m.Value.(type) {
			case length:
				m.Value = length{Of: q.Of[:1]}
			case search:
				m.Value = "not a search"
			}
			return next(ctx, m)
		}
	}
	queries := cqrs.NewQueries(trim)
	assert.NoError(t, cqrs.Answer(queries, func(_ context.Context, q length) (int, error) { return len(q.Of), nil }))
	assert.NoError(t, cqrs.Answer(queries, func(context.Context, search) ([]string, error) { return nil, nil }))
	n, err := cqrs.Ask(t.Context(), queries, length{Of: "long"})
	assert.NoError(t, err)
	assert.Equal(t, n, 1, "the result of the query that middleware passed on")
	_, err = cqrs.Ask(t.Context(), queries, search{})
	assert.ErrorIs(t, err, cqrs.ErrInvalid, "a value of another type")
}

func TestHandlersPanicThrough(t *testing.T) {
	commands := cqrs.NewCommands(func(next cqrs.Next) cqrs.Next { return next })
	assert.NoError(t, cqrs.Handle(commands, func(context.Context, upload) error { panic(errRefused) }))
	assert.Equal(t, assert.Panics(t, func() { _ = cqrs.Send(t.Context(), commands, upload{}) }), any(errRefused))
	assert.ErrorIs(t, cqrs.Send(t.Context(), commands, publish{}), cqrs.ErrUnknown, "the bus goes on")
}

// Handlers are added while others send: the race detector watches.
func TestHandleWhileSending(t *testing.T) {
	commands := cqrs.NewCommands()
	assert.NoError(t, cqrs.Handle(commands, func(context.Context, upload) error { return nil }))
	var all sync.WaitGroup
	won := make(chan error, 8)
	for range 8 {
		all.Go(func() {
			for range 100 {
				if err := cqrs.Send(t.Context(), commands, upload{}); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() { won <- cqrs.Handle(commands, func(context.Context, publish) error { return nil }) })
	}
	all.Wait()
	close(won)
	var errs []error
	for err := range won {
		if err != nil {
			errs = append(errs, err)
		}
	}
	assert.Equal(t, len(errs), 7, "of those who register the same type, one succeeds")
	assert.False(t, slices.ContainsFunc(errs, func(err error) bool { return !errors.Is(err, cqrs.ErrRegistered) }))
}

func TestSendDoesNotAllocate(t *testing.T) {
	commands, queries := cqrs.NewCommands(), cqrs.NewQueries()
	assert.NoError(t, cqrs.Handle(commands, func(context.Context, upload) error { return nil }))
	assert.NoError(t, cqrs.Answer(queries, func(_ context.Context, q length) (int, error) { return len(q.Of), nil }))
	ctx := t.Context()
	assert.Equal(t, testing.AllocsPerRun(100, func() { _ = cqrs.Send(ctx, commands, upload{"a"}) }), 0.0, "Send")
	assert.Equal(t, testing.AllocsPerRun(100, func() { _, _ = cqrs.Ask(ctx, queries, length{Of: "a"}) }), 0.0, "Ask")
}

// A handler must not be reachable without the middleware it was to be behind.
func TestMiddlewareThatReturnsNothing(t *testing.T) {
	pass := func(next cqrs.Next) cqrs.Next { return next }
	nothing := func(cqrs.Next) cqrs.Next { return nil }
	for _, middleware := range [][]cqrs.Middleware{{nothing}, {pass, nothing}, {nothing, pass}} {
		commands := cqrs.NewCommands(middleware...)
		err := cqrs.Handle(commands, func(context.Context, upload) error { return nil })
		assert.ErrorIs(t, err, cqrs.ErrInvalid)
		assert.ErrorIs(t, cqrs.Send(t.Context(), commands, upload{}), cqrs.ErrUnknown)

		queries := cqrs.NewQueries(middleware...)
		err = cqrs.Answer(queries, func(context.Context, length) (int, error) { return 1, nil })
		assert.ErrorIs(t, err, cqrs.ErrInvalid)
		_, err = cqrs.Ask(t.Context(), queries, length{})
		assert.ErrorIs(t, err, cqrs.ErrUnknown)
	}
}

// A Message made anew has nowhere to put the result.
func TestMiddlewareThatMakesAMessage(t *testing.T) {
	queries := cqrs.NewQueries(func(next cqrs.Next) cqrs.Next {
		return func(ctx context.Context, m cqrs.Message) error {
			return next(ctx, cqrs.Message{Name: m.Name, Value: m.Value})
		}
	})
	assert.NoError(t, cqrs.Answer(queries, func(context.Context, length) (int, error) { return 1, nil }))
	_, err := cqrs.Ask(t.Context(), queries, length{})
	assert.ErrorIs(t, err, cqrs.ErrInvalid)
	assert.True(t, strings.Contains(err.Error(), "change the one it was given"), "%v", err)
}
