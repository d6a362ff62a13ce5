package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/intake"
	"github.com/parlance-go/parlance/examples/education/internal/system"
)

// importers is how many files are read at once.
const importers = 4

// importAll takes in the files of a folder, and returns when each of them is
// published or has failed.
func importAll(ctx context.Context, s *system.System, o options, stderr io.Writer) error {
	dir, want := o.folder, intake.Everything
	if dir == "" {
		dir, want = ".", intake.Documentation
	}
	folder, err := intake.OpenFolder(dir, o.data)
	if err != nil {
		return fmt.Errorf("-import: %w", err)
	}
	defer func() { _ = folder.Close() }() // it was only read
	files, err := folder.Files(ctx, want)
	if err != nil {
		return fmt.Errorf("-import: %w", err)
	}
	// From before the first file, so that no content can settle unseen.
	now, err := s.Store.Now(ctx)
	if err != nil {
		return err
	}
	t := newTally(len(files))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel(nil)
	group.Go(func() {
		if err := follow(ctx, s, now, t); err != nil {
			cancel(err)
		}
	})
	group.Go(func() { t.report(ctx, stderr, dir) })

	queue := make(chan string)
	for range importers {
		group.Go(func() {
			for file := range queue {
				receipt, err := s.Intake.Import(ctx, folder, file)
				if err != nil {
					cancel(fmt.Errorf("import %q: %w", file, err))
					continue
				}
				t.took(receipt)
			}
		})
	}
	for _, file := range files {
		select {
		case queue <- file:
		case <-ctx.Done():
		}
	}
	close(queue)
	select {
	case <-t.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// follow tells the tally which contents settle.
func follow(ctx context.Context, s *system.System, after eventstore.Checkpoint, t *tally) error {
	filter := eventstore.Filter{
		Categories: []string{content.Category},
		Types:      []string{content.TypePublished, content.TypeFailed},
	}
	for event, err := range s.Store.Subscribe(ctx, after, filter) {
		if err != nil {
			return err
		}
		t.settle(content.IDOf(event.Stream), event.Type == content.TypePublished)
	}
	return nil
}

// tally counts what becomes of the files of an import.
type tally struct {
	start time.Time
	total int
	done  chan struct{} // closed when every file is settled

	mu        sync.Mutex
	taken     int
	known     int
	published int
	failed    int
	waiting   map[string]bool // contents that are not settled
	early     map[string]bool // those that were settled before they were taken, and whether published
}

func newTally(total int) *tally {
	t := &tally{
		start: time.Now(), total: total, done: make(chan struct{}),
		waiting: make(map[string]bool), early: make(map[string]bool),
	}
	if total == 0 {
		close(t.done)
	}
	return t
}

func (t *tally) took(receipt intake.Receipt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken++
	published, early := t.early[receipt.ID]
	switch {
	case receipt.Known && receipt.Status.Settled():
		t.known++
	case early:
		t.count(published)
	default:
		t.waiting[receipt.ID] = true
	}
	t.finish()
}

func (t *tally) settle(id string, published bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.waiting[id] {
		t.early[id] = published
		return
	}
	delete(t.waiting, id)
	t.count(published)
	t.finish()
}

func (t *tally) count(published bool) {
	if published {
		t.published++
	} else {
		t.failed++
	}
}

func (t *tally) finish() {
	if t.taken == t.total && len(t.waiting) == 0 {
		close(t.done)
	}
}
