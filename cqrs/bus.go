package cqrs

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

// Message is a command or query on its way to its handler. Middleware passes on
// the one it was given, with other values if need be.
type Message struct {
	// Name is that of the Go type, with its package: "content.Upload".
	Name string

	// Value is the command or query itself. Middleware may pass on another one
	// of the same type.
	Value any

	result any // a *R for the result of a query
}

// Next passes a message on, to the next middleware or the handler, and returns
// the handler's error. It may be called again, to try again. A query that is not
// passed on and has no error is answered with the zero result.
type Next func(ctx context.Context, message Message) error

// Middleware does something around every command or query: it logs, measures,
// authorizes, tries again. It is called once for each handler, when that is
// registered; what it returns is called by many goroutines at once. A Next that
// it has called must have returned before it returns.
type Middleware func(next Next) Next

// bus finds the handler of a type. Handlers may be added at any time; those who
// look one up do not wait.
type bus struct {
	middleware []Middleware
	mu         sync.Mutex // of those who add
	handlers   atomic.Pointer[map[any]handler]
}

// handler is a *commandHandler[C] or *queryHandler[Q, R].
type handler interface {
	// take hands over a message whose type was not known when it was sent, if it
	// is of the handler's type.
	take(ctx context.Context, value any) (mine bool, err error)
}

// keyOf returns what stands for a type in the map: no other type has a pointer
// that is equal.
func keyOf[T any]() any { return (*T)(nil) }

func nameOf[T any]() string { return strings.TrimPrefix(fmt.Sprintf("%T", (*T)(nil)), "*") }

func isInterface[T any]() bool {
	var none T
	return any(none) == nil
}

func (b *bus) find(key any) handler {
	handlers := b.handlers.Load()
	if handlers == nil {
		return nil
	}
	return (*handlers)[key]
}

func (b *bus) add(key any, name string, h handler) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	handlers := make(map[any]handler)
	if before := b.handlers.Load(); before != nil {
		if _, taken := (*before)[key]; taken {
			return &RegisteredError{Name: name}
		}
		maps.Copy(handlers, *before)
	}
	handlers[key] = h
	b.handlers.Store(&handlers)
	return nil
}

// search hands a value to the handler of its dynamic type. It asks one after
// the other: it is for the few who hold their messages in an interface.
func (b *bus) search(ctx context.Context, value any) (found bool, err error) {
	if handlers := b.handlers.Load(); handlers != nil {
		for _, h := range *handlers {
			if mine, err := h.take(ctx, value); mine {
				return true, err
			}
		}
	}
	return false, nil
}

// chain puts the middleware around a handler; the first is the outermost.
func (b *bus) chain(next Next) (Next, error) {
	for i := len(b.middleware) - 1; i >= 0; i-- {
		if next = b.middleware[i](next); next == nil {
			return nil, invalidf("middleware %d returned nil", i)
		}
	}
	return next, nil
}

func checkMiddleware(middleware []Middleware) []Middleware {
	for i, m := range middleware {
		if m == nil {
			panic(fmt.Sprintf("cqrs: middleware %d is nil", i))
		}
	}
	return append([]Middleware(nil), middleware...)
}

// unfit says that middleware has passed on what the handler cannot take.
func unfit(name string, value any) error {
	return fmt.Errorf("cqrs: %s: %w", name, invalidf("middleware passed on a value of type %T", value))
}
