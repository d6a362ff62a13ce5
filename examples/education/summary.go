package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/examples/education/internal/readmodel"
	"github.com/parlance-go/parlance/examples/education/internal/system"
)

// summarize writes what there is, from the read model.
func summarize(ctx context.Context, s *system.System, w io.Writer) error {
	counts, err := cqrs.Ask(ctx, s.Queries, readmodel.Summary{})
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "STATUS\tTYPE\tCONTENTS\tWORDS\tSIZE\t")
	var total readmodel.Count
	for _, c := range counts {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t\n", c.Status, extract.Kind(c.ContentType).Label(), c.Contents, c.Words, extract.Bytes(c.Bytes))
		total.Contents += c.Contents
		total.Words += c.Words
		total.Bytes += c.Bytes
	}
	fmt.Fprintf(table, "all\t\t%d\t%d\t%s\t\n", total.Contents, total.Words, extract.Bytes(total.Bytes))
	if err := table.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\nKept in %s.\n", s.Place)
	return err
}
