package readmodel

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/words"
)

// The tables of one version. CONTENTS and WORDS stand for their names. The
// index has no copy of the text, and is given words that are found already: to
// its ascii tokenizer every blank ends one, and everything beyond ASCII is part
// of one.
const (
	sqliteSetup = `
CREATE TABLE CONTENTS (
	number       INTEGER PRIMARY KEY,
	id           TEXT NOT NULL UNIQUE,
	title        TEXT NOT NULL,
	file_name    TEXT NOT NULL,
	source       TEXT NOT NULL,
	content_type TEXT NOT NULL,
	status       TEXT NOT NULL,
	reason       TEXT NOT NULL DEFAULT '',
	size         INTEGER NOT NULL,
	words        INTEGER NOT NULL DEFAULT 0,
	truncated    INTEGER NOT NULL DEFAULT 0,
	width        INTEGER NOT NULL DEFAULT 0,
	height       INTEGER NOT NULL DEFAULT 0,
	duration_ms  INTEGER NOT NULL DEFAULT 0,
	uploaded_at  INTEGER NOT NULL, -- microseconds since 1970
	updated_at   INTEGER NOT NULL,
	version      INTEGER NOT NULL,
	headings     TEXT NOT NULL DEFAULT '[]',
	text         TEXT NOT NULL DEFAULT ''
);
CREATE VIRTUAL TABLE WORDS USING fts5(
	title, headings, text,
	content='', contentless_delete=1, prefix='2 3', tokenize='ascii'
);`

	sqliteInsert = `
INSERT INTO CONTENTS (id, title, file_name, source, content_type, status, size, uploaded_at, updated_at, version)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	sqliteSetStatus = `
UPDATE CONTENTS SET status = ?, reason = ?, updated_at = ?, version = ? WHERE id = ?`

	sqliteSetResults = `
UPDATE CONTENTS SET
	status = ?, reason = '', updated_at = ?, version = ?,
	title = CASE WHEN ?4 = '' THEN title ELSE ?4 END,
	content_type = ?, words = ?, truncated = ?, width = ?, height = ?, duration_ms = ?,
	headings = ?, text = ?
WHERE id = ?
RETURNING number, title, file_name`

	sqliteNumber  = `SELECT number FROM CONTENTS WHERE id = ?`
	sqliteUnindex = `DELETE FROM WORDS WHERE rowid = ?`
	sqliteIndex   = `INSERT INTO WORDS (rowid, title, headings, text) VALUES (?, ?, ?, ?)`

	columns = `id, title, file_name, source, content_type, status, reason, size, words,
	truncated, width, height, duration_ms, uploaded_at, updated_at, version`

	// One round trip each for a page, its size, a row and the summary.
	sqliteFind = `
SELECT ` + columns + `, text FROM CONTENTS JOIN (
	SELECT WORDS.rowid AS found, bm25(WORDS, 10.0, 4.0, 1.0) AS rank
	FROM WORDS JOIN CONTENTS ON number = WORDS.rowid
	WHERE WORDS MATCH ?1 AND (?2 = '' OR content_type = ?2) AND (?3 = '' OR status = ?3)
	ORDER BY rank, WORDS.rowid DESC LIMIT ?4 OFFSET ?5
) ON number = found ORDER BY rank, number DESC`

	sqliteFound = `
SELECT count(*) FROM WORDS JOIN CONTENTS ON number = WORDS.rowid
WHERE WORDS MATCH ?1 AND (?2 = '' OR content_type = ?2) AND (?3 = '' OR status = ?3)`

	sqliteList = `
SELECT ` + columns + `, substr(text, 1, 600) FROM CONTENTS
WHERE (?1 = '' OR content_type = ?1) AND (?2 = '' OR status = ?2)
ORDER BY number DESC LIMIT ?3 OFFSET ?4`

	sqliteListed = `
SELECT count(*) FROM CONTENTS
WHERE (?1 = '' OR content_type = ?1) AND (?2 = '' OR status = ?2)`

	sqliteGet = `SELECT ` + columns + `, text, headings FROM CONTENTS WHERE id = ?`

	sqliteSummary = `
SELECT status, content_type, count(*), sum(words), sum(size) FROM CONTENTS
GROUP BY status, content_type ORDER BY status, content_type`
)

// named puts the names of a version's tables into a statement.
func named(statement string, model cqrs.Model) string {
	return strings.NewReplacer("CONTENTS", model.Table("contents"), "WORDS", model.Table("contents_words")).Replace(statement)
}

// SQLiteProjection makes the rows in SQLite.
func SQLiteProjection() (cqrs.Projection[*sql.Tx], error) {
	events, err := content.Events()
	if err != nil {
		return cqrs.Projection[*sql.Tx]{}, err
	}
	applier := applier{events}
	return cqrs.Projection[*sql.Tx]{
		Name: Name, Version: version,
		Filter: eventstore.Filter{Categories: []string{content.Category}},
		Tables: []string{"contents", "contents_words"},
		Setup: func(ctx context.Context, tx *sql.Tx, model cqrs.Model) error {
			_, err := tx.ExecContext(ctx, named(sqliteSetup, model))
			return err
		},
		Apply: func(ctx context.Context, tx *sql.Tx, model cqrs.Model, recorded []eventstore.Recorded) error {
			return applier.apply(ctx, sqliteWriter{tx, model}, recorded)
		},
	}, nil
}

type sqliteWriter struct {
	tx    *sql.Tx
	model cqrs.Model
}

func (w sqliteWriter) exec(ctx context.Context, statement string, arguments ...any) error {
	_, err := w.tx.ExecContext(ctx, named(statement, w.model), arguments...)
	return err
}

func (w sqliteWriter) insert(ctx context.Context, row Content) error {
	err := w.exec(ctx, sqliteInsert, row.ID, row.Title, row.FileName, row.Source, row.ContentType, row.Status,
		row.Size, row.UploadedAt.UnixMicro(), row.UpdatedAt.UnixMicro(), row.Version)
	if err != nil {
		return err
	}
	var number int64
	if err := w.tx.QueryRowContext(ctx, named(sqliteNumber, w.model), row.ID).Scan(&number); err != nil {
		return err
	}
	return w.index(ctx, number, row.Title, row.FileName, content.Results{})
}

func (w sqliteWriter) setStatus(ctx context.Context, c change) error {
	return w.exec(ctx, sqliteSetStatus, c.status, c.reason, c.at.UnixMicro(), c.version, c.id)
}

func (w sqliteWriter) setResults(ctx context.Context, c change, r content.Results) error {
	headings, err := json.Marshal(r.Headings)
	if err != nil {
		return err
	}
	var number int64
	var title, fileName string
	err = w.tx.QueryRowContext(ctx, named(sqliteSetResults, w.model), c.status, c.at.UnixMicro(), c.version,
		r.Title, r.ContentType, r.Words, r.Truncated, r.Width, r.Height, r.DurationMS,
		string(headings), r.Text, c.id).Scan(&number, &title, &fileName)
	if err != nil {
		return err
	}
	if err := w.exec(ctx, sqliteUnindex, number); err != nil {
		return err
	}
	return w.index(ctx, number, title, fileName, r)
}

func (w sqliteWriter) index(ctx context.Context, number int64, title, fileName string, r content.Results) error {
	return w.exec(ctx, sqliteIndex, number, words.Join(title+" "+fileName),
		words.Join(headingText(r.Headings)), words.Join(r.Text))
}

// SQLite reads the rows that are in SQLite.
type SQLite struct {
	db     *sql.DB
	target cqrs.Target[*sql.Tx]
}

// NewSQLite returns a Reader. The target is the one that the projection writes
// to, and db its database.
func NewSQLite(db *sql.DB, target cqrs.Target[*sql.Tx]) *SQLite {
	return &SQLite{db: db, target: target}
}

// Search implements Reader.
func (s *SQLite) Search(ctx context.Context, search Search) (Page, error) {
	model, err := cqrs.ActiveModel(ctx, s.target, Name)
	if err != nil || search.Query.Hopeless() {
		return Page{}, err
	}
	find, count := sqliteList, sqliteListed
	arguments := []any{search.ContentType, search.Status}
	if !search.Query.Empty() {
		find, count = sqliteFind, sqliteFound
		arguments = append([]any{search.Query.FTS5()}, arguments...)
	}
	var page Page
	if err := s.db.QueryRowContext(ctx, named(count, model), arguments...).Scan(&page.Total); err != nil {
		return Page{}, fmt.Errorf("readmodel: count: %w", err)
	}
	rows, err := s.db.QueryContext(ctx, named(find, model), append(arguments, PageSize, search.offset())...)
	if err != nil {
		return Page{}, fmt.Errorf("readmodel: search: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var hit Hit
		var text string
		if err := scanSQLite(rows, &hit.Content, &text); err != nil {
			return Page{}, fmt.Errorf("readmodel: search: %w", err)
		}
		hit.Snippet = search.snippet(hit.Title, text)
		page.Hits = append(page.Hits, hit)
	}
	if err := rows.Err(); err != nil {
		return Page{}, fmt.Errorf("readmodel: search: %w", err)
	}
	return page, nil
}

// Get implements Reader.
func (s *SQLite) Get(ctx context.Context, id string) (Detail, error) {
	model, err := cqrs.ActiveModel(ctx, s.target, Name)
	if err != nil {
		return Detail{}, err
	}
	var detail Detail
	var headings string
	err = scanSQLite(s.db.QueryRowContext(ctx, named(sqliteGet, model), id), &detail.Content, &detail.Text, &headings)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Detail{}, ErrNotFound
	case err == nil:
		err = json.Unmarshal([]byte(headings), &detail.Headings)
	}
	if err != nil {
		return Detail{}, fmt.Errorf("readmodel: get: %w", err)
	}
	return detail, nil
}

// Summary implements Reader.
func (s *SQLite) Summary(ctx context.Context) ([]Count, error) {
	model, err := cqrs.ActiveModel(ctx, s.target, Name)
	if err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, named(sqliteSummary, model))
	if err != nil {
		return nil, fmt.Errorf("readmodel: summary: %w", err)
	}
	defer rows.Close()
	var counts []Count
	for rows.Next() {
		var c Count
		if err := rows.Scan(&c.Status, &c.ContentType, &c.Contents, &c.Words, &c.Bytes); err != nil {
			return nil, fmt.Errorf("readmodel: summary: %w", err)
		}
		counts = append(counts, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("readmodel: summary: %w", err)
	}
	return counts, nil
}

func scanSQLite(row interface{ Scan(to ...any) error }, c *Content, more ...any) error {
	var uploaded, updated int64
	err := row.Scan(append([]any{
		&c.ID, &c.Title, &c.FileName, &c.Source, &c.ContentType, &c.Status, &c.Reason, &c.Size, &c.Words,
		&c.Truncated, &c.Width, &c.Height, &c.DurationMS, &uploaded, &updated, &c.Version,
	}, more...)...)
	c.UploadedAt, c.UpdatedAt = time.UnixMicro(uploaded).UTC(), time.UnixMicro(updated).UTC()
	return err
}
