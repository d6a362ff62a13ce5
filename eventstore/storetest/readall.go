package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parlance-go/parlance/eventstore"
)

func readAllGroup() group {
	return group{"reading all", []testCase{
		{name: "from the checkpoint of each event", check: allFromEach},
		{name: "with filters", check: allFiltered},
		{name: "checkpoints move over what the filter leaves out", check: allPastFiltered},
		{name: "erased events are not delivered", check: allErased},
		{name: "in pages of any size", check: allPages},
		{name: "checkpoint of now", check: allNow},
		{name: "checkpoints of another store are refused", check: allForeign},
	}}
}

// all returns what reading all returns.
func (t *trial) all(ctx context.Context, after eventstore.Checkpoint, filter eventstore.Filter) []eventstore.Recorded {
	t.Helper()
	events, err := collect(t.store.ReadAll(ctx, after, filter))
	if err != nil {
		t.fatal("all events can be read", "after checkpoint %q with %+v: %v", after, filter, err)
	}
	return events
}

// mixture appends to several streams in turns, with events of several types.
func (t *trial) mixture(ctx context.Context, streams ...string) {
	t.Helper()
	for round := range 4 {
		for i, stream := range streams {
			events := t.events(1 + (round+i)%2)
			for j := range events {
				events[j].Type = []string{"Opened", "Changed", `It's "closed"`}[(round+i+j)%3]
			}
			t.must(ctx, Append{{Stream: stream, Expected: eventstore.Any, Events: events}})
		}
	}
	writes := make(Append, len(streams))
	for i, stream := range streams {
		writes[i] = eventstore.Write{Stream: stream, Expected: eventstore.Any, Events: t.events(2)}
	}
	t.must(ctx, writes)
}

func sameEvents(got, want []eventstore.Recorded) bool {
	return slices.EqualFunc(got, want, func(a, b eventstore.Recorded) bool {
		return a.ID == b.ID && a.Stream == b.Stream && a.Version == b.Version &&
			a.Position == b.Position && a.Time.Equal(b.Time) && differs(a.Event, b.Event) == ""
	})
}

// text takes a checkpoint through its text.
func (t *trial) text(checkpoint eventstore.Checkpoint) eventstore.Checkpoint {
	t.Helper()
	parsed, err := eventstore.ParseCheckpoint(checkpoint.String())
	if err != nil || parsed != checkpoint {
		t.broken("a checkpoint can be kept as text", "%q came back as %q, error %v", checkpoint, parsed, err)
	}
	return parsed
}

func allFromEach(ctx context.Context, t *trial) {
	t.mixture(ctx, "a-1", "a-2", "b-1")
	all := t.all(ctx, eventstore.Checkpoint{}, eventstore.Filter{})
	for _, stream := range []string{"a-1", "a-2", "b-1"} {
		want := t.read(ctx, stream)
		got := slices.DeleteFunc(slices.Clone(all), func(r eventstore.Recorded) bool { return r.Stream != stream })
		if !sameEvents(got, want) {
			t.broken("reading all returns the events of each stream in the order of their versions",
				"of %q it returned %s; the stream holds %s", stream, tellRecorded(got), tellRecorded(want))
		}
	}
	for i, r := range all {
		rest := t.all(ctx, t.text(r.Checkpoint), eventstore.Filter{})
		if !sameEvents(rest, all[i+1:]) {
			t.broken("reading all from the checkpoint of an event goes on after it",
				"after %s, event %d of %d, came %d events: %s", tellPlace(r), i+1, len(all), len(rest), tellRecorded(rest))
			return
		}
	}
	if got := t.all(ctx, eventstore.Checkpoint{}, eventstore.Filter{}); !sameEvents(got, all) {
		t.broken("reading all again returns the same", "first %s, then %s", tellRecorded(all), tellRecorded(got))
	}
}

func allFiltered(ctx context.Context, t *trial) {
	streams := []string{"a-1", "a-2", "a", "b-1", "-1", "a%-1", `it's "x"-1`, "ab-1"}
	t.mixture(ctx, streams...)
	t.tenant("acme").mixture(ctx, "a-1", "c-1")
	t.tenant("other").mixture(ctx, "a-1")
	categories := [][]string{nil, {"a"}, {"b"}, {"a", "b"}, {""}, {"a%"}, {"a-1"}, {`it's "x"`}, {"nobody"}, {"b", "nobody", "b"}}
	types := [][]string{nil, {"Opened"}, {"Changed", `It's "closed"`}, {"%"}, {"Nothing"}}
	for _, tenant := range []string{"", "acme", "other", "nobody"} {
		t := t.tenant(tenant).chapter()
		everything := t.all(ctx, eventstore.Checkpoint{}, eventstore.Filter{})
		for _, r := range everything {
			if tenant != "" && r.Metadata.Tenant != tenant {
				t.broken("a store of a tenant reads that tenant's events only", "a store of %q read %s of %q", tenant, tellPlace(r), r.Metadata.Tenant)
			}
		}
		for _, filter := range filters(categories, types) {
			want := slices.DeleteFunc(slices.Clone(everything), func(r eventstore.Recorded) bool {
				category, _, _ := strings.Cut(r.Stream, "-")
				return len(filter.Categories) > 0 && !slices.Contains(filter.Categories, category) ||
					len(filter.Types) > 0 && !slices.Contains(filter.Types, r.Type)
			})
			got := t.all(ctx, eventstore.Checkpoint{}, filter)
			if !sameEvents(got, want) {
				t.broken(fmt.Sprintf("a filter passes the events of its categories and types: %+q", filter),
					"%d came of the %d that should have: %s, not %s", len(got), len(want), tellRecorded(got), tellRecorded(want))
			}
			t.counts(ctx, eventstore.Checkpoint{}, filter, len(want))
			if len(want) > 1 {
				middle := want[len(want)/2]
				if rest := t.all(ctx, middle.Checkpoint, filter); !sameEvents(rest, want[len(want)/2+1:]) {
					t.broken("with a filter too, reading goes on after a checkpoint", "with %+q after %s came %s", filter, tellPlace(middle), tellRecorded(rest))
				}
				t.counts(ctx, middle.Checkpoint, filter, len(want)-len(want)/2-1)
			}
		}
	}
	if n, want := len(t.all(ctx, eventstore.Checkpoint{}, eventstore.Filter{})), len(streams)*8+3*8; n != want {
		t.broken("a store without a tenant reads the events of all tenants", "it read %d of %d", n, want)
	}
}

func filters(categories, types [][]string) (all []eventstore.Filter) {
	for _, c := range categories {
		for _, ty := range types {
			all = append(all, eventstore.Filter{Categories: c, Types: ty})
		}
	}
	return all
}

// counts checks Count, of drivers that can.
func (t *trial) counts(ctx context.Context, after eventstore.Checkpoint, filter eventstore.Filter, want int) {
	t.Helper()
	got, err := t.store.Count(ctx, after, filter)
	if errors.Is(err, eventstore.ErrUnsupported) {
		return
	}
	if err != nil || got != int64(want) {
		t.broken("Count is how many events reading all returns", "after %q with %+q it is %d, not %d; error %v", after, filter, got, want, err)
	}
}

func allPastFiltered(ctx context.Context, t *trial) {
	t.given(ctx, "wanted-1", 1)
	for range 3 { // more than a driver looks through for one page
		t.given(ctx, "unwanted-1", 5_000)
	}
	filter := eventstore.Filter{Categories: []string{"wanted"}}
	end := t.drain(ctx, eventstore.Checkpoint{}, filter, 1)
	t.counts(ctx, end, eventstore.Filter{}, 0)
	if rest := t.all(ctx, end, eventstore.Filter{}); len(rest) > 0 {
		t.broken("the checkpoint at the end of a filtered reading covers the events that were left out",
			"read again without the filter, these came: %s", tellRecorded(rest))
	}
	t.given(ctx, "unwanted-1", 1)
	t.given(ctx, "wanted-1", 1)
	t.drain(ctx, end, filter, 1)
}

// drain reads pages from the driver to the end, checks how many events came,
// and returns the last checkpoint.
func (t *trial) drain(ctx context.Context, after eventstore.Checkpoint, filter eventstore.Filter, want int) eventstore.Checkpoint {
	t.Helper()
	got := 0
	for pages := 0; ; pages++ {
		page, err := t.driver.ReadAll(ctx, eventstore.AllRange{After: after, Filter: filter, AllTenants: true, Max: 100})
		if err != nil {
			t.fatal("all events can be read", "%v", err)
		}
		got += len(page.Events)
		if !page.End && page.Next == after || pages > 10_000 {
			t.fatal("each page comes nearer to the end", "the page after %q is not the end and leads to %q", after, page.Next)
		}
		if after = t.text(page.Next); page.End {
			break
		}
	}
	if got != want {
		t.broken("reading page by page returns each event once", "%d events came, not %d", got, want)
	}
	return after
}

func allErased(ctx context.Context, t *trial) {
	t.mixture(ctx, "kept-1", "truncated-1", "deleted-1", "reopened-1", "closed-1")
	before := t.all(ctx, eventstore.Checkpoint{}, eventstore.Filter{})
	t.must(ctx, Erase{Stream: "truncated-1", Kind: eventstore.Truncate, Before: 4})
	t.must(ctx, Erase{Stream: "deleted-1", Expected: eventstore.Any, Kind: eventstore.Delete})
	t.must(ctx, Erase{Stream: "reopened-1", Expected: eventstore.Any, Kind: eventstore.Delete})
	t.must(ctx, Erase{Stream: "closed-1", Expected: eventstore.Any, Kind: eventstore.Tombstone})
	fresh := t.given(ctx, "reopened-1", 1)
	gone := func(r eventstore.Recorded) bool {
		return r.Stream != "kept-1" && (r.Stream != "truncated-1" || r.Version < 4) && r.ID != fresh[0].ID
	}
	for i, from := range append([]eventstore.Recorded{{}}, before...) {
		got := t.all(ctx, from.Checkpoint, eventstore.Filter{})
		want := slices.DeleteFunc(slices.Clone(before[i:]), gone)
		if len(got) != len(want)+1 || !sameEvents(got[:len(want)], want) || got[len(want)].ID != fresh[0].ID {
			t.broken("erased events are not delivered, all others are, and the checkpoints of erased events stay good",
				"after %s came %s; it should be %s and then %s", tellPlace(from), tellRecorded(got), tellRecorded(want), tellIDs(fresh))
			return
		}
		t.counts(ctx, from.Checkpoint, eventstore.Filter{}, len(want)+1)
	}
}

func allPages(ctx context.Context, t *trial) {
	t.mixture(ctx, "a-1", "b-1", "a-2")
	want := t.all(ctx, eventstore.Checkpoint{}, eventstore.Filter{})
	for _, most := range []int{1, 2, 3, 7, len(want), len(want) + 1} {
		var got []eventstore.Recorded
		r := eventstore.AllRange{AllTenants: true, Max: most}
		for pages := 0; pages < 10*len(want); pages++ {
			page, err := t.driver.ReadAll(ctx, r)
			if err != nil {
				t.fatal("all events can be read", "%v", err)
			}
			if len(page.Events) > most {
				t.broken("a page has no more events than were asked for", "%d of at most %d", len(page.Events), most)
			}
			got = append(got, page.Events...)
			if r.After = page.Next; page.End {
				break
			}
		}
		if !sameEvents(got, want) {
			t.broken("the size of pages changes nothing", "in pages of %d came %s, not %s", most, tellRecorded(got), tellRecorded(want))
		}
	}
}

func allNow(ctx context.Context, t *trial) {
	now := func() eventstore.Checkpoint {
		t.Helper()
		checkpoint, err := t.store.Now(ctx)
		if err != nil {
			t.fatal("the checkpoint of now can be had", "%v", err)
		}
		t.diary.add("now is %q", checkpoint)
		return t.text(checkpoint)
	}
	empty := now()
	first := t.given(ctx, "now-1", 2)
	middle := now()
	second := t.given(ctx, "now-2", 1)
	end := now()
	for _, row := range []struct {
		after eventstore.Checkpoint
		want  []eventstore.Event
	}{{empty, slices.Concat(first, second)}, {middle, second}, {end, nil}} {
		got := t.all(ctx, row.after, eventstore.Filter{})
		if !slices.EqualFunc(got, row.want, func(r eventstore.Recorded, e eventstore.Event) bool { return r.ID == e.ID }) {
			t.broken("the checkpoint of now covers what is visible now, and nothing that comes later",
				"after %q came %s, not %s", row.after, tellRecorded(got), tellIDs(row.want))
		}
	}
}

func allForeign(ctx context.Context, t *trial) {
	t.given(ctx, "foreign-1", 3)
	for _, text := range []string{"-1", "9000000000000000000", "5@nobody made this", "-5@", "0@0", "1@{}", "3@1:2:3;drop table", "1@" + strings.Repeat("9,", 100)} {
		checkpoint, err := eventstore.ParseCheckpoint(text)
		if err != nil {
			continue // the Store has refused it already
		}
		_, err = collect(t.store.ReadAll(ctx, checkpoint, eventstore.Filter{}))
		t.wants(fmt.Sprintf("checkpoint %q, which no store has given out, is refused with ErrCheckpoint", text), err, eventstore.ErrCheckpoint)
		if _, err = t.store.Count(ctx, checkpoint, eventstore.Filter{}); !errors.Is(err, eventstore.ErrUnsupported) {
			t.wants(fmt.Sprintf("Count refuses checkpoint %q too", text), err, eventstore.ErrCheckpoint)
		}
	}
}
