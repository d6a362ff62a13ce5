package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// childRole, in the environment of this test binary, makes it do something else
// than test; childPath is the file to do it to.
const (
	childRole = "PARLANCE_SQLITE_TEST_ROLE"
	childPath = "PARLANCE_SQLITE_TEST_PATH"
)

func TestMain(m *testing.M) {
	roles := map[string]func(context.Context, *sqlite.Database) error{
		"append":  appendForEver,
		"project": projectForEver,
	}
	if role, ok := roles[os.Getenv(childRole)]; ok {
		if err := play(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func play(role func(context.Context, *sqlite.Database) error) error {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, os.Getenv(childPath), patient)
	if err != nil {
		return err
	}
	return role(ctx, db)
}

// appendForEver appends to a few streams at once, and tells what has been
// acknowledged.
func appendForEver(ctx context.Context, db *sqlite.Database) error {
	store := storeOf(db)
	errs := make(chan error)
	for n := range 8 {
		go func() {
			for {
				events := make([]eventstore.Event, 1+rand.IntN(3))
				for i := range events {
					events[i] = eventstore.Event{Type: "ContentUploaded", Data: make([]byte, rand.IntN(10_000))}
				}
				stream := fmt.Sprintf("content-%d", n/2)
				appended, err := store.Append(ctx, stream, eventstore.Any, events...)
				if err != nil {
					errs <- err
					return
				}
				for i := range events { // one write each, so that no line is cut in two by another
					fmt.Printf("%s %d %s\n", stream, appended.Version-int64(len(events)-1-i), events[i].ID)
				}
			}
		}()
	}
	return <-errs
}

// runAndKill runs this test binary in a role, kills it after a random time that
// begins with its first line, and returns the lines.
func runAndKill(ctx context.Context, role, path string, longest time.Duration) (lines []string, err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe) // #nosec G204 -- this very binary
	cmd.Env = append(os.Environ(), childRole+"="+role, childPath+"="+path)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	scanner := bufio.NewScanner(stdout)
	for scanner.Scan() {
		if len(lines) == 0 {
			time.AfterFunc(rand.N(longest), func() { _ = cmd.Process.Kill() })
		}
		lines = append(lines, scanner.Text())
	}
	_ = cmd.Wait() // killed
	if stderr.Len() > 0 {
		return nil, fmt.Errorf("the process was to run until it is killed: %s", stderr.String())
	}
	return lines, nil
}

// Killed at any moment, processes have lost nothing that they were told is
// there, and left nothing by half. Two at a time append to the same streams.
func TestKilledWhileAppending(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	type key struct {
		stream  string
		version int64
	}
	acknowledged := make(map[key]uuid.UUID)
	rounds := 10 // of two processes each
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		var pair [2][]string
		var errs [2]error
		var both sync.WaitGroup
		for n := range pair {
			both.Go(func() { pair[n], errs[n] = runAndKill(t.Context(), "append", path, 60*time.Millisecond) })
		}
		both.Wait()
		assert.NoError(t, errors.Join(errs[:]...))
		for _, line := range slices.Concat(pair[:]...) {
			var k key
			var id string
			if n, _ := fmt.Sscanf(line, "%s %d %s", &k.stream, &k.version, &id); n != 3 || len(id) != 36 {
				continue // cut off by the end
			}
			assert.Equal(t, acknowledged[k], uuid.Nil, "%v was acknowledged twice", k)
			acknowledged[k] = uuid.MustParse(id)
		}
		db, err := sqlite.Open(t.Context(), path, sqlite.Config{})
		assert.NoError(t, err)
		stored := make(map[key]uuid.UUID)
		heads := make(map[string]int64)
		for _, event := range readAll(t, db, eventstore.Checkpoint{}) {
			heads[event.Stream]++
			assert.Equal(t, event.Version, heads[event.Stream], "version in %s", event.Stream)
			stored[key{event.Stream, event.Version}] = event.ID
		}
		for k, id := range acknowledged {
			assert.Equal(t, stored[k], id, "%v was acknowledged", k)
		}
		for stream, version := range heads {
			head, err := storeOf(db).Head(t.Context(), stream)
			assert.NoError(t, err)
			assert.Equal(t, head.Version, version)
		}
		var check string
		assert.NoError(t, db.Reader().QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&check))
		assert.Equal(t, check, "ok")
		assert.NoError(t, db.Close())
	}
	t.Logf("%d events acknowledged in %d processes", len(acknowledged), 2*rounds)
}
