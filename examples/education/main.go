// Education is parlance's reference system: it takes documents in, processes
// and publishes them, and shows and searches them on a page.
//
//	go run ./examples/education
//
// See README.md beside this file for what is where.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	options, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	err = educate(ctx, options, stdout, stderr)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "education:", err)
	if errors.Is(err, errInterrupted) {
		return 130 // what shells make of Ctrl-C
	}
	return 1
}
