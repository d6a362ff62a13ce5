package eventstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
)

// LessonEvent is a family of events: a sealed interface.
type LessonEvent interface{ lessonEvent() }

type LessonPlanned struct {
	Title string `json:"title"`
}

type LessonHeld struct{ Minutes uint16 }

func (LessonPlanned) lessonEvent() {}
func (LessonHeld) lessonEvent()    {}

func ExampleRegistry() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	lessons, err := eventstore.NewRegistry[LessonEvent](
		eventstore.JSON[LessonPlanned]("LessonPlanned", 1),
		eventstore.JSON[LessonHeld]("LessonHeld", 1),
	)
	if err != nil {
		fmt.Println(err)
		return
	}

	for _, lesson := range []LessonEvent{LessonPlanned{Title: "Go"}, LessonHeld{Minutes: 45}} {
		event, err := lessons.Encode(lesson)
		if err != nil {
			fmt.Println(err)
			return
		}
		if _, err := store.Append(ctx, "lesson-1", eventstore.Any, event); err != nil {
			fmt.Println(err)
			return
		}
	}

	filter := eventstore.Filter{Types: lessons.Types()}
	for recorded, err := range store.ReadAll(ctx, eventstore.Checkpoint{}, filter) {
		if err != nil {
			fmt.Println(err)
			return
		}
		lesson, err := lessons.Decode(recorded.Event)
		if err != nil {
			fmt.Println(err)
			return
		}
		switch lesson := lesson.(type) {
		case LessonPlanned:
			fmt.Println("planned:", lesson.Title)
		case LessonHeld:
			fmt.Println("held:", lesson.Minutes, "minutes")
		}
	}
	// Output:
	// planned: Go
	// held: 45 minutes
}

// An event that nobody has registered is an error that names it.
func ExampleRegistry_Decode() {
	lessons, _ := eventstore.NewRegistry[LessonEvent](eventstore.JSON[LessonPlanned]("LessonPlanned", 1))
	_, err := lessons.Decode(eventstore.Event{Type: "LessonCancelled", SchemaVersion: 3})
	fmt.Println(err)
	fmt.Println(errors.Is(err, eventstore.ErrUnknownType))
	// Output:
	// eventstore: decode: event type "LessonCancelled", schema version 3, is not registered
	// true
}

// A codec of one's own, for those who have no JSON.
func ExampleCodecType() {
	held := eventstore.CodecType("LessonHeld", 1, eventstore.Codec[LessonHeld]{
		Encode: func(held LessonHeld) ([]byte, error) {
			return binary.BigEndian.AppendUint16(nil, held.Minutes), nil
		},
		Decode: func(data []byte) (LessonHeld, error) {
			if len(data) != 2 {
				return LessonHeld{}, fmt.Errorf("%d bytes, want 2", len(data))
			}
			return LessonHeld{Minutes: binary.BigEndian.Uint16(data)}, nil
		},
	})
	lessons, err := eventstore.NewRegistry[LessonEvent](held)
	if err != nil {
		fmt.Println(err)
		return
	}
	event, err := lessons.Encode(LessonHeld{Minutes: 300})
	fmt.Printf("%s %v %v\n", event.Type, event.Data, err)
	_, err = lessons.Decode(eventstore.Event{Type: "LessonHeld", SchemaVersion: 1})
	fmt.Println(err)
	// Output:
	// LessonHeld [1 44] <nil>
	// eventstore: decode "LessonHeld", schema version 1: 0 bytes, want 2
}

// The first entry of a Go type writes, the others read what was written before.
func ExampleJSON() {
	lessons, err := eventstore.NewRegistry[LessonEvent](
		eventstore.JSON[LessonPlanned]("LessonPlanned", 2),
		eventstore.JSON[LessonPlanned]("LessonScheduled", 1), // its name until last year
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	event, _ := lessons.Encode(LessonPlanned{Title: "Go"})
	fmt.Println(event.Type, event.SchemaVersion, string(event.Data))
	old, _ := lessons.Decode(eventstore.Event{Type: "LessonScheduled", SchemaVersion: 1, Data: []byte(`{"title":"C"}`)})
	fmt.Printf("%+v\n", old)
	// Output:
	// LessonPlanned 2 {"title":"Go"}
	// {Title:C}
}
