package aggregate_test

import (
	"strconv"
	"testing"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
)

// The domain of the benchmarks: a lesson whose sections are edited.
type (
	lessonEvent   interface{ lessonEvent() }
	sectionEdited struct {
		Section int    `json:"section"`
		Editor  string `json:"editor"`
		Text    string `json:"text"`
	}
	lesson struct {
		Sections [16]string
		Edits    int
	}
)

func (sectionEdited) lessonEvent() {}

var lessons = aggregate.Decider[lesson, sectionEdited, lessonEvent]{
	Decide: func(_ lesson, edit sectionEdited) ([]lessonEvent, error) { return []lessonEvent{edit}, nil },
	Evolve: func(l lesson, event lessonEvent) lesson {
		edit := event.(sectionEdited)
		l.Sections[edit.Section] = edit.Text
		l.Edits++
		return l
	},
}

// BenchmarkAggregateLoad loads a whole aggregate from memory. The floor is to
// decode the same events, which are at hand, and to fold them.
func BenchmarkAggregateLoad(b *testing.B) {
	ctx := b.Context()
	for _, count := range []int{1, 10, 1_000, 10_000} {
		store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
		registry, err := eventstore.NewRegistry[lessonEvent](eventstore.JSON[sectionEdited]("SectionEdited", 1))
		if err != nil {
			b.Fatal(err)
		}
		repository, err := aggregate.NewRepository(lessons, aggregate.Config[lesson, lessonEvent]{
			Store: store, Category: "lesson", Events: registry,
		})
		if err != nil {
			b.Fatal(err)
		}
		events := make([]eventstore.Event, count)
		for i := range events {
			events[i], err = registry.Encode(sectionEdited{
				Section: i % 16, Editor: "ada@example.org", Text: "An event is what has happened; number " + strconv.Itoa(i),
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		if _, err := store.Append(ctx, "lesson-1", eventstore.NoStream, events...); err != nil {
			b.Fatal(err)
		}
		name := "events=" + strconv.Itoa(count)
		rate := func(b *testing.B) {
			b.ReportMetric(float64(b.N)*float64(count)/b.Elapsed().Seconds(), "events/s")
		}
		b.Run(name+"/parlance", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				state, version, err := repository.Load(ctx, "1")
				if err != nil || version != int64(count) || state.Edits != count {
					b.Fatal(state.Edits, version, err)
				}
			}
			rate(b)
		})
		b.Run(name+"/floor", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var state lesson
				for i := range events {
					value, err := registry.Decode(events[i])
					if err != nil {
						b.Fatal(err)
					}
					state = lessons.Evolve(state, value)
				}
				if state.Edits != count {
					b.Fatal(state.Edits)
				}
			}
			rate(b)
		})
	}
}

// BenchmarkHandle decides and appends one event, on a new aggregate each time:
// the floor is the append alone.
func BenchmarkHandle(b *testing.B) {
	ctx := b.Context()
	edit := sectionEdited{Section: 3, Editor: "ada@example.org", Text: "An event is what has happened"}
	registry, err := eventstore.NewRegistry[lessonEvent](eventstore.JSON[sectionEdited]("SectionEdited", 1))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("new/parlance", func(b *testing.B) {
		b.ReportAllocs()
		repository, err := aggregate.NewRepository(lessons, aggregate.Config[lesson, lessonEvent]{
			Store: eventstore.New(eventstore.NewMemory(), eventstore.Config{}), Category: "lesson", Events: registry,
		})
		if err != nil {
			b.Fatal(err)
		}
		for i := 0; b.Loop(); i++ {
			if _, err := repository.Handle(ctx, strconv.Itoa(i), edit); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("new/floor", func(b *testing.B) {
		b.ReportAllocs()
		store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
		for i := 0; b.Loop(); i++ {
			event, err := registry.Encode(edit)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := store.Append(ctx, "lesson-"+strconv.Itoa(i), eventstore.NoStream, event); err != nil {
				b.Fatal(err)
			}
		}
	})
}
