package cqrs

import (
	"context"
	"fmt"
)

// Queries takes each query to whoever answers it. It is safe for concurrent use.
type Queries struct{ bus }

// NewQueries returns Queries without answers. Every query goes through the
// middleware, the first one first. It panics if one is nil.
func NewQueries(middleware ...Middleware) *Queries {
	return &Queries{bus{middleware: checkMiddleware(middleware)}}
}

// Returns is embedded in a type to make it a Query, and to tie it to its result
// once and for all, so that the compiler knows what Ask returns:
//
//	type Search struct {
//		cqrs.Returns[Results]
//		Words string
//	}
//
// It takes no room.
type Returns[R any] struct{}

func (Returns[R]) returns(R) {}

// Query is a type that embeds Returns[R].
type Query[R any] interface{ returns(R) }

type queryHandler[Q Query[R], R any] struct {
	answer func(context.Context, Q) (R, error)
	name   string
	next   Next // nil without middleware
}

// Answer registers what answers the queries of type Q. It may be called at any
// time, also while queries are being asked. The error matches ErrRegistered if Q
// has an answer already, and ErrInvalid if answer is nil or middleware returns
// nil.
func Answer[Q Query[R], R any](queries *Queries, answer func(ctx context.Context, query Q) (R, error)) error {
	h := &queryHandler[Q, R]{answer: answer, name: nameOf[Q]()}
	if answer == nil {
		return fmt.Errorf("cqrs: answer %s: %w", h.name, invalidf("the answer is nil"))
	}
	if len(queries.middleware) > 0 {
		var err error
		if h.next, err = queries.chain(h.last); err != nil {
			return fmt.Errorf("cqrs: answer %s: %w", h.name, err)
		}
	}
	if err := queries.add(keyOf[Q](), h.name, h); err != nil {
		return fmt.Errorf("cqrs: answer: %w", err)
	}
	return nil
}

// Ask takes a query to its answer, in the goroutine of the caller, and returns
// the result and error of that as they are. A query that stands in an interface
// goes to the answer of the type it has; finding that takes longer. The error
// matches ErrUnknown if there is no answer. A panic of the answer goes on to the
// caller.
//
//	results, err := cqrs.Ask(ctx, queries, Search{Words: "go"})
func Ask[Q Query[R], R any](ctx context.Context, queries *Queries, query Q) (R, error) {
	h, known := queries.find(keyOf[Q]()).(*queryHandler[Q, R])
	if known && h.next == nil {
		return h.answer(ctx, query)
	}
	var result R
	if !known {
		found, err := queries.search(ctx, &asked[R]{query: query, result: &result})
		if !found {
			err = fmt.Errorf("cqrs: ask: %w", &UnknownError{Name: fmt.Sprintf("%T", query)})
		}
		return result, err
	}
	err := h.next(ctx, Message{Name: h.name, Value: query, result: &result})
	return result, err
}

// asked is a query whose type was not known when it was asked.
type asked[R any] struct {
	query  any
	result *R
}

func (h *queryHandler[Q, R]) last(ctx context.Context, message Message) error {
	query, ok := message.Value.(Q)
	if !ok {
		return unfit(h.name, message.Value)
	}
	result, ok := message.result.(*R)
	if !ok {
		return fmt.Errorf("cqrs: %s: %w", h.name, invalidf("middleware made a Message: let it change the one it was given"))
	}
	var err error
	*result, err = h.answer(ctx, query)
	return err
}

func (h *queryHandler[Q, R]) take(ctx context.Context, value any) (bool, error) {
	asked, ok := value.(*asked[R])
	if !ok {
		return false, nil
	}
	query, mine := asked.query.(Q)
	if !mine || isInterface[Q]() {
		return false, nil
	}
	message := Message{Name: h.name, Value: query, result: asked.result}
	if h.next == nil {
		return true, h.last(ctx, message)
	}
	return true, h.next(ctx, message)
}
