package aggregate

// Decider is the logic of one kind of aggregate, free of I/O: S is the type of
// its state, C that of commands, E that of events. The functions may be called
// from several goroutines at once, each with its own state.
type Decider[S, C, E any] struct {
	// Initial returns the state of an aggregate without events. States that are
	// returned must not share what Evolve changes.
	// Defaults to the zero S.
	Initial func() S

	// Decide returns what happens when the command meets the state: some events,
	// none, or an error, which Handle returns as it is. It must not change the
	// state, and may be called several times for one command. Required.
	Decide func(state S, command C) ([]E, error)

	// Evolve returns the state after an event. It cannot refuse: the event has
	// happened. It may change the state it is given. Required.
	Evolve func(state S, event E) S
}

func (d *Decider[S, C, E]) blank() S {
	if d.Initial == nil {
		var zero S
		return zero
	}
	return d.Initial()
}
