package reading

import (
	"context"

	"github.com/parlance-go/parlance/examples/education/internal/extract"
)

// Limits of the readings, for tests.
const (
	MaxReadings = maxReadings
	MaxKept     = maxKept
)

// NewReadings returns the get of readings that read by a function.
func NewReadings(read func(Reference) (extract.Document, error)) func(context.Context, Reference) (extract.Document, error) {
	return newReadings(read).get
}
