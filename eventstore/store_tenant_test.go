package eventstore_test

import (
	"iter"
	"strings"
	"testing"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestTenantsAreApart(t *testing.T) {
	all := newStore()
	acme, other := all.ForTenant("acme"), all.ForTenant("other")
	assert.Equal(t, all.Tenant(), "")
	assert.Equal(t, acme.Tenant(), "acme")
	mustAppend(t, all, "content-1", uploaded("nobody's"))
	mustAppend(t, acme, "content-1", uploaded("acme's"))
	mustAppend(t, other, "content-1", uploaded("the other's"))

	for store, want := range map[*eventstore.Store]string{all: "nobody's", acme: "acme's", other: "the other's"} {
		assert.Equal(t, texts(t, store.Read(t.Context(), "content-1", 1)), []string{want})
		assert.Equal(t, texts(t, store.ReadBackwards(t.Context(), "content-1", eventstore.End)), []string{want})
		head, err := store.Head(t.Context(), "content-1")
		assert.NoError(t, err)
		assert.Equal(t, head, eventstore.Head{Version: 1, First: 1})
	}
	everything := func(store *eventstore.Store) []string {
		return texts(t, store.ReadAll(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{}))
	}
	assert.Equal(t, everything(acme), []string{"acme's"})
	assert.Equal(t, everything(other), []string{"the other's"})
	assert.Equal(t, everything(all), []string{"nobody's", "acme's", "the other's"})
	n, err := acme.Count(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{})
	assert.NoError(t, err)
	assert.Equal(t, n, 1)

	page, err := acme.ReadPage(t.Context(), eventstore.StreamRange{Stream: "content-1", Tenant: "other", From: 1, Max: 1})
	assert.NoError(t, err)
	assert.Equal(t, string(page.Events[0].Data), "acme's", "the range's tenant is ignored")

	assert.NoError(t, acme.Delete(t.Context(), "content-1", eventstore.Any))
	assert.Equal(t, everything(all), []string{"nobody's", "the other's"}, "an erasure is the tenant's own")
}

func TestTenantsThatCannotBeAreRefusedEverywhere(t *testing.T) {
	ctx := t.Context()
	for tenant, want := range map[string]string{
		strings.Repeat("x", 256): "tenant has 256 bytes, the limit is 255",
		"\xff":                   `tenant "\xff": want UTF-8 without NUL`,
		"a\x00":                  `tenant "a\x00": want UTF-8 without NUL`,
	} {
		for _, store := range []*eventstore.Store{
			eventstore.New(fakeDriver{}, eventstore.Config{Tenant: tenant}),
			eventstore.New(fakeDriver{}, eventstore.Config{}).ForTenant(tenant),
		} {
			seq := func(seq iter.Seq2[eventstore.Recorded, error]) error { _, err := collect(seq); return err }
			calls := map[string]func() error{
				"append":    func() error { _, err := store.Append(ctx, "s", eventstore.Any, uploaded("1")); return err },
				"head":      func() error { _, err := store.Head(ctx, "s"); return err },
				"now":       func() error { _, err := store.Now(ctx); return err },
				"delete":    func() error { return store.Delete(ctx, "s", eventstore.Any) },
				"read":      func() error { return seq(store.Read(ctx, "s", 1)) },
				"read all":  func() error { return seq(store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{})) },
				"subscribe": func() error { return seq(store.Subscribe(ctx, eventstore.Checkpoint{}, eventstore.Filter{})) },
			}
			for name, call := range calls {
				err := call()
				assert.ErrorIs(t, err, eventstore.ErrInvalid, name)
				assert.True(t, strings.HasSuffix(err.Error(), ": "+want), "%s: %s", name, err)
			}
		}
	}
}

func TestEventsOfAForeignTenantAreRefused(t *testing.T) {
	acme := newStore().ForTenant("acme")
	mustAppend(t, acme, "content-1", eventstore.Event{Type: "T", Metadata: eventstore.Metadata{Tenant: "acme"}})
	_, err := acme.Append(t.Context(), "content-1", eventstore.Any, eventstore.Event{Type: "T", Metadata: eventstore.Metadata{Tenant: "other"}})
	assert.ErrorIs(t, err, eventstore.ErrInvalid)
	assert.Equal(t, len(texts(t, acme.Read(t.Context(), "content-1", 1))), 1)
}

// A tenant that is missing by mistake must not open what belongs to others.
func TestForNoTenantReadsNoOther(t *testing.T) {
	all := newStore()
	mustAppend(t, all.ForTenant("acme"), "content-1", uploaded("1"))
	mustAppend(t, all, "content-2", uploaded("2"))

	none := all.ForTenant("acme").ForTenant("")
	n := 0
	for event, err := range none.ReadAll(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{}) {
		assert.NoError(t, err)
		assert.Equal(t, event.Stream, "content-2")
		n++
	}
	assert.Equal(t, n, 1)
	count, err := none.Count(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{})
	assert.NoError(t, err)
	assert.Equal(t, count, int64(1))
}
