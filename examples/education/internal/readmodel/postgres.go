package readmodel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/words"
)

// The table of one version. CONTENTS stands for its name, INDEX_NAME for that of the
// search index. Its tsvector is made of words that are found already, so that
// it does not depend on the server's language.
const (
	postgresSetup = `
CREATE TABLE CONTENTS (
	number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id           text NOT NULL UNIQUE,
	title        text NOT NULL,
	file_name    text NOT NULL,
	source       text NOT NULL,
	content_type text NOT NULL,
	status       text NOT NULL,
	reason       text NOT NULL DEFAULT '',
	size         bigint NOT NULL,
	words        bigint NOT NULL DEFAULT 0,
	truncated    boolean NOT NULL DEFAULT false,
	width        integer NOT NULL DEFAULT 0,
	height       integer NOT NULL DEFAULT 0,
	duration_ms  bigint NOT NULL DEFAULT 0,
	uploaded_at  timestamptz NOT NULL,
	updated_at   timestamptz NOT NULL,
	version      bigint NOT NULL,
	headings     jsonb NOT NULL DEFAULT '[]',
	text         text NOT NULL DEFAULT '',
	search       tsvector NOT NULL
);
CREATE INDEX INDEX_NAME ON CONTENTS USING gin (search);`

	postgresInsert = `
INSERT INTO CONTENTS (id, title, file_name, source, content_type, status, size, uploaded_at, updated_at, version, search)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::tsvector)`

	postgresSetStatus = `
UPDATE CONTENTS SET status = $1, reason = $2, updated_at = $3, version = $4 WHERE id = $5`

	postgresTitle = `SELECT title, file_name FROM CONTENTS WHERE id = $1`

	postgresSetResults = `
UPDATE CONTENTS SET
	status = $1, reason = '', updated_at = $2, version = $3, title = $4,
	content_type = $5, words = $6, truncated = $7, width = $8, height = $9, duration_ms = $10,
	headings = $11, text = $12, search = $13::tsvector
WHERE id = $14`

	// One round trip each for a page, its size, a row and the summary.
	postgresFind = `
SELECT ` + columns + `, text FROM CONTENTS JOIN (
	SELECT number AS found, ts_rank(search, query) AS rank
	FROM CONTENTS, (SELECT $1::tsquery AS query) AS asked
	WHERE search @@ query AND ($2 = '' OR content_type = $2) AND ($3 = '' OR status = $3)
	ORDER BY rank DESC, number DESC LIMIT $4 OFFSET $5
) AS page ON number = found ORDER BY rank DESC, number DESC`

	postgresFound = `
SELECT count(*) FROM CONTENTS
WHERE search @@ $1::tsquery AND ($2 = '' OR content_type = $2) AND ($3 = '' OR status = $3)`

	postgresList = `
SELECT ` + columns + `, left(text, 600) FROM CONTENTS
WHERE ($1 = '' OR content_type = $1) AND ($2 = '' OR status = $2)
ORDER BY number DESC LIMIT $3 OFFSET $4`

	postgresListed = `
SELECT count(*) FROM CONTENTS
WHERE ($1 = '' OR content_type = $1) AND ($2 = '' OR status = $2)`

	postgresGet = `SELECT ` + columns + `, text, headings FROM CONTENTS WHERE id = $1`

	postgresSummary = `
SELECT status, content_type, count(*), sum(words)::bigint, sum(size)::bigint FROM CONTENTS
GROUP BY status, content_type ORDER BY status, content_type`
)

// PostgresProjection makes the rows in PostgreSQL.
func PostgresProjection() (cqrs.Projection[pgx.Tx], error) {
	events, err := content.Events()
	if err != nil {
		return cqrs.Projection[pgx.Tx]{}, err
	}
	applier := applier{events}
	return cqrs.Projection[pgx.Tx]{
		Name: Name, Version: version,
		Filter: eventstore.Filter{Categories: []string{content.Category}},
		Tables: []string{"contents"},
		Setup: func(ctx context.Context, tx pgx.Tx, model cqrs.Model) error {
			index := pgx.Identifier{model.Name("contents_search")}.Sanitize()
			_, err := tx.Exec(ctx, named(strings.Replace(postgresSetup, "INDEX_NAME", index, 1), model))
			return err
		},
		Apply: func(ctx context.Context, tx pgx.Tx, model cqrs.Model, recorded []eventstore.Recorded) error {
			return applier.apply(ctx, postgresWriter{tx, model}, recorded)
		},
	}, nil
}

type postgresWriter struct {
	tx    pgx.Tx
	model cqrs.Model
}

func (w postgresWriter) exec(ctx context.Context, statement string, arguments ...any) error {
	_, err := w.tx.Exec(ctx, named(statement, w.model), arguments...)
	return err
}

func (w postgresWriter) insert(ctx context.Context, row Content) error {
	return w.exec(ctx, postgresInsert, row.ID, row.Title, row.FileName, row.Source, row.ContentType, row.Status,
		row.Size, row.UploadedAt, row.UpdatedAt, row.Version, vector(row.Title, row.FileName, content.Results{}))
}

func (w postgresWriter) setStatus(ctx context.Context, c change) error {
	return w.exec(ctx, postgresSetStatus, c.status, c.reason, c.at, c.version, c.id)
}

func (w postgresWriter) setResults(ctx context.Context, c change, r content.Results) error {
	headings, err := json.Marshal(r.Headings)
	if err != nil {
		return err
	}
	var title, fileName string
	if err := w.tx.QueryRow(ctx, named(postgresTitle, w.model), c.id).Scan(&title, &fileName); err != nil {
		return err
	}
	if r.Title != "" {
		title = r.Title
	}
	return w.exec(ctx, postgresSetResults, c.status, c.at, c.version, title,
		r.ContentType, r.Words, r.Truncated, r.Width, r.Height, r.DurationMS,
		headings, r.Text, vector(title, fileName, r), c.id)
}

func vector(title, fileName string, r content.Results) string {
	return words.TSVector(
		words.Weighted{Text: title + " " + fileName, Weight: 'A'},
		words.Weighted{Text: headingText(r.Headings), Weight: 'B'},
		words.Weighted{Text: r.Text, Weight: 'D'},
	)
}

// Postgres reads the rows that are in PostgreSQL.
type Postgres struct {
	pool   *pgxpool.Pool
	target cqrs.Target[pgx.Tx]
}

// NewPostgres returns a Reader. The target is the one that the projection
// writes to, and pool connects to its database.
func NewPostgres(pool *pgxpool.Pool, target cqrs.Target[pgx.Tx]) *Postgres {
	return &Postgres{pool: pool, target: target}
}

// Search implements Reader.
func (p *Postgres) Search(ctx context.Context, search Search) (Page, error) {
	model, err := cqrs.ActiveModel(ctx, p.target, Name)
	if err != nil || search.Query.Hopeless() {
		return Page{}, err
	}
	find, count := postgresList, postgresListed
	arguments := []any{search.ContentType, search.Status}
	if !search.Query.Empty() {
		find, count = postgresFind, postgresFound
		arguments = append([]any{search.Query.TSQuery()}, arguments...)
	}
	var page Page
	if err := p.pool.QueryRow(ctx, named(count, model), arguments...).Scan(&page.Total); err != nil {
		return Page{}, fmt.Errorf("readmodel: count: %w", err)
	}
	rows, err := p.pool.Query(ctx, named(find, model), append(arguments, PageSize, search.offset())...)
	if err != nil {
		return Page{}, fmt.Errorf("readmodel: search: %w", err)
	}
	page.Hits, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (hit Hit, err error) {
		var text string
		err = scanPostgres(row, &hit.Content, &text)
		hit.Snippet = search.snippet(hit.Title, text)
		return hit, err
	})
	if err != nil {
		return Page{}, fmt.Errorf("readmodel: search: %w", err)
	}
	return page, nil
}

// Get implements Reader.
func (p *Postgres) Get(ctx context.Context, id string) (Detail, error) {
	model, err := cqrs.ActiveModel(ctx, p.target, Name)
	if err != nil {
		return Detail{}, err
	}
	var detail Detail
	err = scanPostgres(p.pool.QueryRow(ctx, named(postgresGet, model), id), &detail.Content, &detail.Text, &detail.Headings)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Detail{}, ErrNotFound
	case err != nil:
		return Detail{}, fmt.Errorf("readmodel: get: %w", err)
	}
	return detail, nil
}

// Summary implements Reader.
func (p *Postgres) Summary(ctx context.Context) ([]Count, error) {
	model, err := cqrs.ActiveModel(ctx, p.target, Name)
	if err != nil {
		return nil, err
	}
	rows, err := p.pool.Query(ctx, named(postgresSummary, model))
	if err != nil {
		return nil, fmt.Errorf("readmodel: summary: %w", err)
	}
	counts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Count, err error) {
		err = row.Scan(&c.Status, &c.ContentType, &c.Contents, &c.Words, &c.Bytes)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("readmodel: summary: %w", err)
	}
	return counts, nil
}

func scanPostgres(row interface{ Scan(to ...any) error }, c *Content, more ...any) error {
	err := row.Scan(append([]any{
		&c.ID, &c.Title, &c.FileName, &c.Source, &c.ContentType, &c.Status, &c.Reason, &c.Size, &c.Words,
		&c.Truncated, &c.Width, &c.Height, &c.DurationMS, &c.UploadedAt, &c.UpdatedAt, &c.Version,
	}, more...)...)
	c.UploadedAt, c.UpdatedAt = c.UploadedAt.UTC(), c.UpdatedAt.UTC()
	return err
}
