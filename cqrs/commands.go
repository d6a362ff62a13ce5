package cqrs

import (
	"context"
	"fmt"
)

// Commands takes each command to its handler. It is safe for concurrent use.
type Commands struct{ bus }

// NewCommands returns Commands without handlers. Every command goes through the
// middleware, the first one first. It panics if one is nil.
func NewCommands(middleware ...Middleware) *Commands {
	return &Commands{bus{middleware: checkMiddleware(middleware)}}
}

type commandHandler[C any] struct {
	handle func(context.Context, C) error
	name   string
	next   Next // nil without middleware
}

// Handle registers the handler of the commands of type C. It may be called at
// any time, also while commands are being sent. The error matches ErrRegistered
// if C has a handler already, and ErrInvalid if handle is nil or middleware
// returns nil.
func Handle[C any](commands *Commands, handle func(ctx context.Context, command C) error) error {
	h := &commandHandler[C]{handle: handle, name: nameOf[C]()}
	if handle == nil {
		return fmt.Errorf("cqrs: handle %s: %w", h.name, invalidf("the handler is nil"))
	}
	if len(commands.middleware) > 0 {
		var err error
		if h.next, err = commands.chain(h.last); err != nil {
			return fmt.Errorf("cqrs: handle %s: %w", h.name, err)
		}
	}
	if err := commands.add(keyOf[C](), h.name, h); err != nil {
		return fmt.Errorf("cqrs: handle: %w", err)
	}
	return nil
}

// Send takes a command to its handler, in the goroutine of the caller, and
// returns the handler's error as it is. A command that stands in an interface
// goes to the handler of the type it has; finding that takes longer. The error matches ErrUnknown if there
// is no handler. A panic of the handler goes on to the caller.
func Send[C any](ctx context.Context, commands *Commands, command C) error {
	h, known := commands.find(keyOf[C]()).(*commandHandler[C])
	if !known {
		found, err := commands.search(ctx, command)
		if !found {
			return fmt.Errorf("cqrs: send: %w", &UnknownError{Name: fmt.Sprintf("%T", command)})
		}
		return err
	}
	if h.next == nil {
		return h.handle(ctx, command)
	}
	return h.next(ctx, Message{Name: h.name, Value: command})
}

func (h *commandHandler[C]) last(ctx context.Context, message Message) error {
	command, ok := message.Value.(C)
	if !ok {
		return unfit(h.name, message.Value)
	}
	return h.handle(ctx, command)
}

func (h *commandHandler[C]) take(ctx context.Context, value any) (bool, error) {
	command, mine := value.(C)
	if !mine || isInterface[C]() {
		return false, nil
	}
	if h.next == nil {
		return true, h.handle(ctx, command)
	}
	return true, h.next(ctx, Message{Name: h.name, Value: value})
}
