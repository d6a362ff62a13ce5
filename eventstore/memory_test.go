package eventstore_test

import (
	"testing"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		New: func(testing.TB) eventstore.Driver { return eventstore.NewMemory() },
	})
}
