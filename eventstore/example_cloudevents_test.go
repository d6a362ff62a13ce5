package eventstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

func ExampleCloudEvent() {
	recorded := eventstore.Recorded{
		Event: eventstore.Event{
			ID:            uuid.MustParse("0198f2d4-6f80-7abc-8def-0123456789ab"),
			Type:          "ContentUploaded",
			SchemaVersion: 1,
			Data:          []byte(`{"title":"Go"}`),
			Metadata:      eventstore.Metadata{Actor: "ada", Extra: map[string]string{"region": "eu"}},
		},
		Stream: "content-42", Version: 1, Position: 7,
		Time: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
	}
	written, err := json.MarshalIndent(eventstore.CloudEvent{Source: "/contents", Recorded: recorded}, "", "  ")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(written))

	var read eventstore.CloudEvent
	if err := json.Unmarshal(written, &read); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(read.Stream, read.Version, string(read.Data))
	// Output:
	// {
	//   "specversion": "1.0",
	//   "id": "0198f2d4-6f80-7abc-8def-0123456789ab",
	//   "source": "/contents",
	//   "type": "ContentUploaded",
	//   "subject": "content-42",
	//   "time": "2026-05-04T03:02:01Z",
	//   "schemaversion": 1,
	//   "streamversion": "1",
	//   "streamposition": "7",
	//   "actor": "ada",
	//   "region": "eu",
	//   "data": {
	//     "title": "Go"
	//   }
	// }
	// content-42 1 {"title":"Go"}
}

// An event from elsewhere may be appended, and comes in only once, since the ID
// made for it is always the same.
func ExampleCloudEvent_UnmarshalJSON() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	delivery := []byte(`{
		"specversion": "1.0", "id": "A234-1234-1234", "source": "/sensors/7",
		"type": "com.example.measured", "datacontenttype": "text/plain", "data": "21.5 °C"
	}`)
	for range 2 { // most brokers deliver now and then twice
		var foreign eventstore.CloudEvent
		if err := json.Unmarshal(delivery, &foreign); err != nil {
			fmt.Println(err)
			return
		}
		appended, err := store.Append(ctx, "sensor-7", eventstore.Any, foreign.Event)
		fmt.Printf("%s: %s: version %d, duplicate %t, %v\n", foreign.ForeignID, foreign.Data, appended.Version, appended.Duplicate, err)
	}
	// Output:
	// A234-1234-1234: 21.5 °C: version 1, duplicate false, <nil>
	// A234-1234-1234: 21.5 °C: version 1, duplicate true, <nil>
}

func ExampleCloudEvent_MarshalJSON() {
	_, err := json.Marshal(eventstore.CloudEvent{Recorded: eventstore.Recorded{Event: eventstore.Event{ID: uuid.Max, Type: "ContentUploaded"}}})
	fmt.Println(err)
	// Output:
	// json: error calling MarshalJSON for type eventstore.CloudEvent: eventstore: write cloud event: attribute "source" is missing
}
