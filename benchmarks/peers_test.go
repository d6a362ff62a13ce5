package benchmarks_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	watermillsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// watermill-sql is a log of messages in PostgreSQL, read by offset: it has no
// streams, no versions and no idempotency, so it does less than an event store.
const watermillTopic = "contents"

func watermillPublisher(b *testing.B, pool *pgxpool.Pool) *watermillsql.Publisher {
	b.Helper()
	publisher, err := watermillsql.NewPublisher(watermillsql.BeginnerFromPgx(pool), watermillsql.PublisherConfig{
		SchemaAdapter:        watermillsql.DefaultPostgreSQLSchema{},
		AutoInitializeSchema: true,
	}, watermill.NopLogger{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = publisher.Close() })
	return publisher
}

func watermillMessages(n int) []*message.Message {
	messages := make([]*message.Message, n)
	for i := range messages {
		messages[i] = message.NewMessage(uuid.NewString(), payload)
	}
	return messages
}

func watermillAppend(b *testing.B, clients, events int) {
	publisher := watermillPublisher(b, openPool(b, connections(clients)))
	concurrently(b, clients, events, func(_ context.Context, _ int64) error {
		return publisher.Publish(watermillTopic, watermillMessages(events)...)
	})
}

// watermillCatchUp reads the log once, in batches as large as parlance's pages.
func watermillCatchUp(b *testing.B, pool *pgxpool.Pool, events int) {
	publisher := watermillPublisher(b, pool)
	for range events / 1000 {
		if err := publisher.Publish(watermillTopic, watermillMessages(1000)...); err != nil {
			b.Fatal(err)
		}
	}
	readAll(b, events, func(ctx context.Context) (n int, err error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		subscriber, err := watermillsql.NewSubscriber(watermillsql.BeginnerFromPgx(pool), watermillsql.SubscriberConfig{
			ConsumerGroup:    uuid.NewString(),
			PollInterval:     10 * time.Millisecond,
			SchemaAdapter:    watermillsql.DefaultPostgreSQLSchema{SubscribeBatchSize: 2048},
			OffsetsAdapter:   watermillsql.DefaultPostgreSQLOffsetsAdapter{},
			InitializeSchema: true,
		}, watermill.NopLogger{})
		if err != nil {
			return 0, err
		}
		messages, err := subscriber.Subscribe(ctx, watermillTopic)
		if err != nil {
			return 0, err
		}
		for m := range messages {
			m.Ack()
			if n++; n == events {
				break
			}
		}
		cancel()
		return n, subscriber.Close()
	})
}

// The form in which most event stores append to PostgreSQL: a transaction that
// locks the stream, inserts, and moves its version, in five round trips.
func transactionAppend(b *testing.B, clients int) {
	pool := openPool(b, connections(clients))
	if _, err := pool.Exec(b.Context(), floorTable+`; CREATE TABLE heads (stream text PRIMARY KEY, version bigint NOT NULL)`); err != nil {
		b.Fatal(err)
	}
	concurrently(b, clients, 1, func(ctx context.Context, n int64) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			var version int64
			err := tx.QueryRow(ctx, `SELECT version FROM heads WHERE stream = $1 FOR UPDATE`, newStream(n)).Scan(&version)
			if err != nil && !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			if _, err := tx.Exec(ctx, floorInsert, version+1, int64(1), int64(1), [16]byte(uuid.New()), int32(1), "",
				newStream(n), "ContentUploaded", payload, "", "", "", "", nil); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `INSERT INTO heads VALUES ($1, $2) ON CONFLICT (stream) DO UPDATE SET version = excluded.version`,
				newStream(n), version+1)
			return err
		})
	})
}
