package storetest

import (
	"context"
	"slices"

	"github.com/parlance-go/parlance/eventstore"
)

// follower reads on from its checkpoint, page by page.
type follower struct {
	*trial
	name   string
	filter eventstore.Filter
	after  eventstore.Checkpoint
	got    []eventstore.Recorded
	page   int // how many of these came last
}

// follow reads one page of at most n events, and tells whether it was the end.
func (f *follower) follow(ctx context.Context, n int) (end bool) {
	f.Helper()
	page, err := f.driver.ReadAll(ctx, eventstore.AllRange{After: f.after, Filter: f.filter, AllTenants: true, Max: n})
	if err != nil {
		f.fatal("reading goes on from a checkpoint", "after %q: %v", f.after, err)
	}
	f.diary.add("reader %s gets %d events: %s, and is at %q", f.name, len(page.Events),
		tellMany(len(page.Events), ", ", func(i int) string { return tellPlace(page.Events[i]) }), page.Next)
	f.got = append(f.got, page.Events...)
	f.page = len(page.Events)
	f.after = f.text(page.Next)
	return page.End
}

// forget goes back by n events of the last page, as if the reader had died after
// those before them. One event of the page must be left.
func (f *follower) forget(n int) {
	f.Helper()
	f.got = f.got[:len(f.got)-n]
	f.page -= n
	last := f.got[len(f.got)-1]
	f.after = f.text(last.Checkpoint)
	f.diary.add("reader %s begins again after %s, at %q", f.name, tellPlace(last), f.after)
}

// toEnd reads pages of at most n events to the end.
func (f *follower) toEnd(ctx context.Context, n int) {
	f.Helper()
	for range 10_000 {
		if f.follow(ctx, n) {
			return
		}
	}
	f.fatal("a reading comes to its end", "10,000 pages of at most %d events were not enough; it is at %q", n, f.after)
}

// expect reads to the end and checks what came since the last time.
func (f *follower) expect(ctx context.Context, promise string, want ...eventstore.Event) {
	f.Helper()
	f.got = nil
	f.toEnd(ctx, 100)
	if !slices.EqualFunc(f.got, want, func(r eventstore.Recorded, e eventstore.Event) bool { return r.ID == e.ID }) {
		f.broken(promise, "%s came; it should be %s", tellRecorded(f.got), tellIDs(want))
	}
}
