package cqrs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

// mails counts what a reaction did for each event.
type mails map[string]int

func (m mails) reaction(react func(eventstore.Recorded) error) cqrs.Reaction {
	return cqrs.Reaction{Name: "counts", React: func(_ context.Context, e eventstore.Recorded) error {
		m[fmt.Sprintf("%s@%d", e.Stream, e.Version)]++
		return react(e)
	}}
}

func newReactor(t *testing.T, store *eventstore.Store, target cqrs.Target[countx], r cqrs.Reaction, config cqrs.Config) *cqrs.Reactor {
	t.Helper()
	config.Logger = quiet
	reactor, err := cqrs.NewReactor(store, target, r, config)
	assert.NoError(t, err)
	return reactor
}

func ok(eventstore.Recorded) error { return nil }

// The gate: however often a projection is built anew, also under the same name,
// and by whatever process, no reaction comes twice.
func TestRebuildsRepeatNoReaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, target, sent := newStore(), cqrs.NewMemory[int](), mails{}
		appendEvents(t, store, "a", "A", "B", "C")
		for version := 1; version <= 4; version++ {
			projecting := running(t, newProjector(t, store, target, counting(version), cqrs.Config{}).Run)
			reacting := running(t, newReactor(t, store, target, sent.reaction(ok), cqrs.Config{}).Run)
			synctest.Wait()
			appendEvents(t, store, "a", "D", "E")
			time.Sleep(time.Second)
			assert.NoError(t, projecting())
			assert.NoError(t, reacting())
		}
		wantOnce(t, store, target, "counts")
		assert.Equal(t, len(sent), 11)
		for key, n := range sent {
			assert.Equal(t, n, 1, "reactions to %s", key)
		}
	})
}

func TestReactionFromNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, target, sent := newStore(), cqrs.NewMemory[int](), mails{}
		appendEvents(t, store, "a", "A", "B")
		reaction := sent.reaction(ok)
		reaction.FromNow = true
		stop := running(t, newReactor(t, store, target, reaction, cqrs.Config{}).Run)
		synctest.Wait()
		appendEvents(t, store, "a", "C")
		synctest.Wait()
		assert.NoError(t, stop())
		appendEvents(t, store, "a", "D")
		stop = running(t, newReactor(t, store, target, reaction, cqrs.Config{}).Run)
		synctest.Wait()
		assert.NoError(t, stop())
		assert.Equal(t, sent, mails{"a@3": 1, "a@4": 1}, "later runs go on where the first one ended")
	})
}

func TestReactionThatFailsComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, target, sent := newStore(), cqrs.NewMemory[int](), mails{}
		appendEvents(t, store, "a", "A", "B", "C")
		failures := 0
		stop := running(t, newReactor(t, store, target, sent.reaction(func(e eventstore.Recorded) error {
			if e.Version == 2 && sent["a@2"] < 4 {
				// A conflict is for whoever would append the same again.
				return &eventstore.ConflictError{Stream: "b"}
			}
			return nil
		}), cqrs.Config{Hooks: cqrs.Hooks{Failed: func(context.Context, cqrs.Failure) { failures++ }}}).Run)
		time.Sleep(time.Minute)
		assert.NoError(t, stop())
		assert.Equal(t, sent, mails{"a@1": 1, "a@2": 4, "a@3": 1}, "only the one that failed")
		assert.Equal(t, failures, 3)
	})
}

// A reaction calls another service, whose breaker is open, or whose retries were
// used up: that must not end the program.
func TestReactionComesAgainWhenAServiceIsDown(t *testing.T) {
	for name, failure := range map[string]error{
		"breaker": &breaker.OpenError{Name: "mail"},
		"retries": &retry.Error{Attempts: 3, Last: errors.New("status 503"), Reason: retry.ErrAttempts},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, calls := newStore(), 0
				appendEvents(t, store, "a", "A")
				ctx, stop := context.WithCancel(t.Context())
				reactor, err := cqrs.NewReactor(store, cqrs.NewMemory[int](), cqrs.Reaction{
					Name: "mail",
					React: func(context.Context, eventstore.Recorded) error {
						if calls++; calls < 4 {
							return fmt.Errorf("send mail: %w", failure)
						}
						stop()
						return nil
					},
				}, cqrs.Config{})
				assert.NoError(t, err)
				assert.NoError(t, reactor.Run(ctx))
				assert.Equal(t, calls, 4)
			})
		})
	}
}

// A reaction that takes longer than it may is done, and not to be done again.
func TestSlowReactionIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, target, sent := newStore(), cqrs.NewMemory[int](), mails{}
		appendEvents(t, store, "a", "A", "B")
		stop := running(t, newReactor(t, store, target, sent.reaction(func(eventstore.Recorded) error {
			time.Sleep(20 * time.Second)
			return nil
		}), cqrs.Config{LeaseDuration: 30 * time.Second}).Run)
		time.Sleep(10 * time.Minute)
		assert.NoError(t, stop())
		assert.Equal(t, sent, mails{"a@1": 1, "a@2": 1})
	})
}

// The stated contract: after a crash between what was done and the checkpoint,
// what was done since the last checkpoint is done again, and nothing is left out.
func TestAtLeastOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, written := newStore(), map[string]int{}
		lost := 0
		target := &faulty{counts: cqrs.NewMemory[int](), after: never}
		target.before = func() error {
			if len(written) == 6 && lost < 2 {
				lost++
				return errRefused
			}
			return nil
		}
		appendEvents(t, store, "a", "A", "B", "C", "D", "E", "F", "G", "H", "I")
		p := cqrs.Projection[map[string]int]{
			Name: "files",
			Apply: func(_ context.Context, files map[string]int, m cqrs.Model, events []eventstore.Recorded) error {
				for _, e := range events {
					files[fmt.Sprintf("%s/%d", m.Name("files"), e.Version)]++
				}
				return nil
			},
		}
		projector, err := cqrs.NewProjector(store, cqrs.AtLeastOnce(target, written), p, cqrs.Config{BatchSize: 3, Logger: quiet})
		assert.NoError(t, err)
		assert.NoError(t, projector.CatchUp(t.Context()))
		assert.Equal(t, lost, 2)
		assert.Equal(t, written, map[string]int{
			"files_v1/1": 1, "files_v1/2": 1, "files_v1/3": 1,
			"files_v1/4": 2, "files_v1/5": 2, "files_v1/6": 2,
			"files_v1/7": 1, "files_v1/8": 1, "files_v1/9": 1,
		})
		model, err := cqrs.ActiveModel(t.Context(), cqrs.AtLeastOnce(target, written), "files")
		assert.NoError(t, err)
		assert.Equal(t, model.Name("files"), "files_v1")
	})
}
