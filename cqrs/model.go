package cqrs

import (
	"fmt"
	"strconv"
)

// maxTableName is the longest name that PostgreSQL does not cut.
const maxTableName = 63

// Model names the tables of one version of a projection, so that two versions
// can stand side by side.
type Model struct {
	// Projection and Version say which one.
	Projection string
	Version    int

	quote func(name string) string
}

// NewModel is for targets: quote makes the name of a table ready to stand in a
// statement, with its schema where there is one.
func NewModel(projection string, version int, quote func(name string) string) Model {
	return Model{Projection: projection, Version: version, quote: quote}
}

// Table returns the table of this version that readers know by the given name,
// quoted and ready to stand in a statement: "contents_v3" for "contents".
func (m Model) Table(name string) string {
	if m.quote == nil {
		return m.Name(name)
	}
	return m.quote(m.Name(name))
}

// Name returns the given name with the version, without quotes or schema, for
// indexes and the like: contents_v3 for contents. It panics if that has more
// than 63 bytes: PostgreSQL would cut the version off.
func (m Model) Name(name string) string {
	versioned := name + "_v" + strconv.Itoa(m.Version)
	if name == "" || len(versioned) > maxTableName {
		panic(fmt.Sprintf("cqrs: table name %q has %d bytes with its version: want at most %d, and a name",
			versioned, len(versioned), maxTableName))
	}
	return versioned
}
