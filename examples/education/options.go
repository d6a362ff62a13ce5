package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/parlance-go/parlance/examples/education/internal/extract"
)

// options are what the command line says.
type options struct {
	folder   string
	data     string
	address  string
	postgres string
	policy   string
	maxSize  size
	once     bool
}

const usage = `Education takes documents in, processes and publishes them, and shows them on a
page where they can be searched. It needs no server and no configuration.

Usage: education [flags]

  -import DIR      Import all files in DIR and below it, except hidden ones and
                   links that lead out of it. Each file is imported once; a
                   changed file is a new content. A file that cannot be used
                   becomes a content that has failed, with a reason.
                   Default: the documentation in the current folder, that is
                   *.md anywhere and all readable files in docs/.
  -data DIR        Keep the files and, without -postgres, the database in DIR,
                   for the next run. One program at a time may use it.
                   Default: education-data in the current folder. It can be
                   deleted when the program does not run.
  -addr HOST:PORT  Serve the page at this address. Port 0 is any free one.
                   Default: 127.0.0.1:8080, for this machine only.
  -once            Exit after the import, with a summary of all contents.
                   Default: serve the page until Ctrl-C.
  -max-size SIZE   Largest file that is taken, in bytes or with a unit: 500KiB,
                   20MiB, 1GiB. A larger one becomes a content that has failed.
                   Default: 20MiB.
  -postgres URL    Keep events and read model in this PostgreSQL database, in a
                   schema "parlance", and search with PostgreSQL's full text.
                   Default: SQLite, in -data.
  -policy FILE     Call the processing and the search service by the timeouts,
                   retries and breakers in this YAML file. What is wrong in it
                   is told with its line and column.
                   Default: policy.yaml beside the program's source, built in.
  -h               Show this.

Markdown, HTML, text, PNG, JPEG and WAV can be read.
`

func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{data: "education-data", address: "127.0.0.1:8080", maxSize: 20 << 20}
	flags := flag.NewFlagSet("education", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	flags.StringVar(&o.folder, "import", "", "")
	flags.StringVar(&o.data, "data", o.data, "")
	flags.StringVar(&o.address, "addr", o.address, "")
	flags.BoolVar(&o.once, "once", false, "")
	flags.Var(&o.maxSize, "max-size", "")
	flags.StringVar(&o.postgres, "postgres", "", "")
	flags.StringVar(&o.policy, "policy", "", "")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	var problem string
	switch {
	case flags.NArg() > 0:
		problem = fmt.Sprintf("%q is not a flag; -h explains them all", flags.Arg(0))
	case o.data == "":
		problem = "-data is empty: name a folder"
	}
	if problem != "" {
		fmt.Fprintln(stderr, "education:", problem)
		return options{}, errors.New(problem)
	}
	return o, nil
}

// size is a flag's number of bytes.
type size int64

// maxSize keeps the arithmetic with sizes far from its end.
const maxSize = 1 << 40

func (s *size) String() string { return extract.Bytes(int64(*s)) }

// Set implements flag.Value.
func (s *size) Set(text string) error {
	number := strings.ToLower(strings.ReplaceAll(text, " ", ""))
	factor := int64(1)
	for _, unit := range []struct {
		name   string
		factor int64
	}{
		{"kib", 1 << 10},
		{"mib", 1 << 20},
		{"gib", 1 << 30},
		{"kb", 1e3},
		{"mb", 1e6},
		{"gb", 1e9},
		{"k", 1 << 10},
		{"m", 1 << 20},
		{"g", 1 << 30},
		{"b", 1},
	} {
		if rest, found := strings.CutSuffix(number, unit.name); found {
			number, factor = rest, unit.factor
			break
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(value) || value*float64(factor) < 1 || value*float64(factor) > maxSize {
		return errors.New("want a size from 1 byte to 1 TiB, such as 500KiB or 20MiB")
	}
	*s = size(value * float64(factor))
	return nil
}
