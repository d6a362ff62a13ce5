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
	// 3 enrolled, 7 refused: the course is full
	// 3 of 3 seats are taken, at version 4
}
