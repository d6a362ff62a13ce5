// Aggregate keeps a rule that holds across events: no more people enrol in a
// course than it has seats, however many try at once.
//
//	go run ./examples/aggregate
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"sync/atomic"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
)

// Course is the state, folded from events.
type Course struct{ Seats, Taken int }

// Event is what can happen to a course.
type Event interface{ event() }

type (
	// Opened begins a course.
	Opened struct{ Seats int }
	// Enrolled takes a seat.
	Enrolled struct{ Student string }
)

func (Opened) event()   {}
func (Enrolled) event() {}

// Command is what somebody wants of a course.
type Command interface{ command() }

type (
	// Open begins a course.
	Open struct{ Seats int }
	// Enrol asks for a seat.
	Enrol struct{ Student string }
)

func (Open) command()  {}
func (Enrol) command() {}

// ErrFull is why somebody cannot enrol.
var ErrFull = errors.New("the course is full")

// decide is the rule: what happens, given what is true now.
func decide(c Course, command Command) ([]Event, error) {
	switch command := command.(type) {
	case Open:
		return []Event{Opened(command)}, nil
	case Enrol:
		if c.Taken == c.Seats {
			return nil, ErrFull
		}
		return []Event{Enrolled(command)}, nil
	}
	return nil, fmt.Errorf("unknown command %T", command)
}

func evolve(c Course, event Event) Course {
	switch event := event.(type) {
	case Opened:
		c.Seats = event.Seats
	case Enrolled:
		c.Taken++
	}
	return c
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	events, err := eventstore.NewRegistry[Event](
		eventstore.JSON[Opened]("CourseOpened", 1),
		eventstore.JSON[Enrolled]("StudentEnrolled", 1),
	)
	if err != nil {
		return err
	}
	courses, err := aggregate.NewRepository(
		aggregate.Decider[Course, Command, Event]{Decide: decide, Evolve: evolve},
		aggregate.Config[Course, Event]{
			Store:    eventstore.New(eventstore.NewMemory(), eventstore.Config{}),
			Category: "course", Events: events,
			MaxAttempts: 100, // many at once want the same course
		})
	if err != nil {
		return err
	}
	if _, err := courses.Handle(ctx, "go", Open{Seats: 3}); err != nil {
		return err
	}

	// Ten students at once. Whoever loses a race decides again, on what is
	// true then.
	var group sync.WaitGroup
	var enrolled, refused atomic.Int32
	for i := range 10 {
		group.Go(func() {
			_, err := courses.Handle(ctx, "go", Enrol{Student: fmt.Sprint("student ", i)})
			switch {
			case err == nil:
				enrolled.Add(1)
			case errors.Is(err, ErrFull):
				refused.Add(1)
			}
		})
	}
	group.Wait()
	course, version, err := courses.Load(ctx, "go")
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d enrolled, %d refused: %s\n", enrolled.Load(), refused.Load(), ErrFull)
	fmt.Fprintf(w, "%d of %d seats are taken, at version %d\n", course.Taken, course.Seats, version)
	return nil
}
