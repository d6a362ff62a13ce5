package main

import (
	"context"
	"os"
)

func Example() {
	if err := run(context.Background(), os.Stdout); err != nil {
		panic(err)
	}
	// Output:
	// appended version 1
	// again: version 1 duplicate true
	// ContentPublished: appended
	// ContentDeleted: too late, the stream is at version 2
	// content-42 1 ContentUploaded
	// content-42 2 ContentPublished
}
