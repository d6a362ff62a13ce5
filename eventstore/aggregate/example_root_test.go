package aggregate_test

import (
	"context"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
)

// Content is the same logic, written with methods.
type Content struct {
	aggregate.Root[ContentEvent]
	status string
}

func NewContent() *Content { return &Content{status: "draft"} }

func (c *Content) Upload(title string) error {
	if c.status != "draft" {
		return fmt.Errorf("upload while %s: %w", c.status, errTransition)
	}
	c.Record(c, ContentUploaded{Title: title})
	return nil
}

func (c *Content) Process(words int) error {
	if c.status != "uploaded" && c.status != "failed" {
		return fmt.Errorf("process while %s: %w", c.status, errTransition)
	}
	c.Record(c, ProcessingStarted{})
	if words == 0 {
		c.Record(c, ProcessingFailed{Reason: "no words"})
	} else {
		c.Record(c, ProcessingCompleted{Words: words})
	}
	return nil
}

func (c *Content) Publish() error {
	if c.status != "completed" {
		return fmt.Errorf("publish while %s: %w", c.status, errTransition)
	}
	c.Record(c, ContentPublished{})
	return nil
}

func (c *Content) Apply(event ContentEvent) {
	switch event.(type) {
	case ContentUploaded:
		c.status = "uploaded"
	case ProcessingStarted:
		c.status = "processing"
	case ProcessingCompleted:
		c.status = "completed"
	case ProcessingFailed:
		c.status = "failed"
	case ContentPublished:
		c.status = "published"
	}
}

func Example_root() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	contents, err := aggregate.NewRoots(NewContent, aggregate.Config[*Content, ContentEvent]{
		Store: store, Category: "content", Events: contentEvents,
	})
	if err != nil {
		panic(err)
	}

	// Update loads, changes and appends; again, when another writer was faster.
	err = contents.Update(ctx, "42", func(c *Content) error { return c.Upload("Go") })
	fmt.Println(err)
	err = contents.Update(ctx, "42", (*Content).Publish)
	fmt.Println(err)

	// Load and Save are the same by hand.
	c, err := contents.Load(ctx, "42")
	if err != nil {
		panic(err)
	}
	if err := c.Process(1200); err != nil {
		panic(err)
	}
	fmt.Println(c.status, c.Version(), len(c.Pending()))
	if err := contents.Save(ctx, c); err != nil {
		panic(err)
	}
	fmt.Println(c.status, c.Version(), len(c.Pending()))
	// Output:
	// <nil>
	// publish while uploaded: not now
	// completed 1 2
	// completed 3 0
}

// A root is tested without a store.
func ExampleRoot() {
	c := NewContent()
	fmt.Println(c.Upload("Go"), c.Process(0), c.Publish())
	for _, event := range c.Pending() {
		fmt.Printf("%T%v\n", event, event)
	}
	// Output:
	// <nil> <nil> publish while failed: not now
	// aggregate_test.ContentUploaded{Go}
	// aggregate_test.ProcessingStarted{}
	// aggregate_test.ProcessingFailed{no words}
}
