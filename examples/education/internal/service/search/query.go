package search

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/examples/education/internal/readmodel"
	"github.com/parlance-go/parlance/examples/education/internal/words"
)

// Query is what somebody looks for.
type Query struct {
	// Words are as they were typed.
	Words string
	// ContentType and Status are "" for any.
	ContentType string
	Status      string
	// Page counts from 1.
	Page int
}

// Filters tells whether there is anything that the query does not find.
func (q Query) Filters() bool {
	return !words.Parse(q.Words).Empty() || q.ContentType != "" || q.Status != ""
}

// QueryError says what is wrong with the parameters of a query, in a sentence for
// people.
type QueryError struct{ Text string }

func (e *QueryError) Error() string { return e.Text }

func queryErrorf(format string, args ...any) error { return &QueryError{fmt.Sprintf(format, args...)} }

// Parse reads a query from the parameters of a URL: q, type, status and page. It
// leaves others alone. The error is a *QueryError.
func Parse(values url.Values) (Query, error) {
	query := Query{Words: values.Get("q"), ContentType: values.Get("type"), Status: values.Get("status"), Page: 1}
	if kind := extract.Kind(query.ContentType); query.ContentType != "" && kind != extract.Unknown && !slices.Contains(extract.Kinds(), kind) {
		return query, queryErrorf("There is no type %.40q.", query.ContentType)
	}
	if query.Status != "" && !slices.Contains(content.Statuses(), content.Status(query.Status)) {
		return query, queryErrorf("There is no status %.40q.", query.Status)
	}
	if page := values.Get("page"); page != "" {
		number, err := strconv.Atoi(page)
		if err != nil || number < 1 || number > readmodel.MaxPage {
			return query, queryErrorf("There is no page %.40q: want 1 to %d.", page, readmodel.MaxPage)
		}
		query.Page = number
	}
	return query, nil
}

// parseStrictly is Parse for those who should know better than to send anything
// else.
func parseStrictly(raw string) (Query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return Query{}, queryErrorf("The parameters cannot be read: %v.", err)
	}
	for name, all := range values {
		if !slices.Contains([]string{"q", "type", "status", "page"}, name) {
			return Query{}, queryErrorf("There is no parameter %.40q.", name)
		}
		if len(all) > 1 {
			return Query{}, queryErrorf("The parameter %s comes %d times.", name, len(all))
		}
	}
	return Parse(values)
}

// encode writes a query as Parse reads it.
func (q Query) encode() string {
	values := url.Values{}
	// What comes after is not looked for anyway.
	values.Set("q", q.Words[:min(len(q.Words), words.MaxQuery)])
	values.Set("type", q.ContentType)
	values.Set("status", q.Status)
	values.Set("page", strconv.Itoa(max(q.Page, 1)))
	return values.Encode()
}

// model returns the query as the read model has it.
func (q Query) model() readmodel.Search {
	return readmodel.Search{Query: words.Parse(q.Words), ContentType: q.ContentType, Status: q.Status, Page: q.Page}
}
