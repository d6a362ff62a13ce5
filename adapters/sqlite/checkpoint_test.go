package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// A checkpoint is good for copies of the file as well, and for nothing else.
func TestCheckpointsBelongToTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t)
	appendOne(t, db, "content-1")
	backup := filepath.Join(dir, "backup.db")
	_, err := db.Writer().ExecContext(t.Context(), `VACUUM INTO ?`, backup)
	assert.NoError(t, err)
	inBackup := readAll(t, db, eventstore.Checkpoint{})[0].Checkpoint
	appendOne(t, db, "content-1")
	now, err := storeOf(db).Now(t.Context())
	assert.NoError(t, err)

	restored := openPath(t, backup)
	assert.Equal(t, len(readAll(t, restored, inBackup)), 0)
	_, err = storeOf(restored).Count(t.Context(), now, eventstore.Filter{})
	assert.ErrorIs(t, err, eventstore.ErrCheckpoint, "a backup older than the checkpoint must not skip events silently")
	assert.Contains(t, err.Error(), "older copy")

	stranger := open(t)
	appendOne(t, stranger, "content-1")
	for _, err := range storeOf(stranger).Subscribe(t.Context(), inBackup, eventstore.Filter{}) {
		assert.ErrorIs(t, err, eventstore.ErrCheckpoint)
		assert.Contains(t, err.Error(), "another store")
		break
	}
	assert.NoError(t, stranger.EventStore().Wait(t.Context(), inBackup))
}
