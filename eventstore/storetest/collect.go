package storetest

import (
	"iter"

	"github.com/parlance-go/parlance/eventstore"
)

// collect returns what comes until the first error.
func collect(events iter.Seq2[eventstore.Recorded, error]) ([]eventstore.Recorded, error) {
	var all []eventstore.Recorded
	for event, err := range events {
		if err != nil {
			return all, err
		}
		all = append(all, event)
	}
	return all, nil
}
