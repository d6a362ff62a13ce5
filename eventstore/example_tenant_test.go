package eventstore_test

import (
	"context"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
)

func ExampleStore_ForTenant() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	acme, other := store.ForTenant("acme"), store.ForTenant("other")
	for _, tenant := range []*eventstore.Store{acme, other} {
		_, _ = tenant.Append(ctx, "content-1", eventstore.NoStream, eventstore.Event{Type: "ContentUploaded"})
	}

	for event := range acme.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
		fmt.Println(acme.Tenant(), "sees", event.Metadata.Tenant, event.Stream)
	}
	for event := range store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
		fmt.Println("all see", event.Metadata.Tenant, event.Stream)
	}

	leak := eventstore.Event{Type: "ContentUploaded", Metadata: eventstore.Metadata{Tenant: "other"}}
	_, err := acme.Append(ctx, "content-1", eventstore.Any, leak)
	fmt.Println(err)
	// Output:
	// acme sees acme content-1
	// all see acme content-1
	// all see other content-1
	// eventstore: append to "content-1": stream "content-1": tenant "other" is not the store's tenant "acme": use ForTenant
}
