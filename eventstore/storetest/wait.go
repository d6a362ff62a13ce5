package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

func waitGroup() group {
	return group{"waiting", []testCase{
		{name: "an append before the wait ends it", check: waitTooLate},
		{name: "an append during the wait ends it", check: waitWoken},
		{name: "an append wakes all who wait", check: waitMany},
		{name: "a commit wakes those who wait", needs: needBegin, check: waitCommit},
		{name: "a cancelled wait returns at once", check: waitCancelled},
	}}
}

const wakes = "who waits is woken by what is appended"

// until waits until there is something to read after a checkpoint. Wait may
// return early, so it is asked again.
func (t *trial) until(ctx context.Context, after eventstore.Checkpoint) error {
	ctx, cancel := context.WithTimeoutCause(ctx, t.harness.Patience,
		fmt.Errorf("storetest: nobody was woken in %v", t.harness.Patience))
	defer cancel()
	for {
		if err := t.driver.Wait(ctx, after); err != nil {
			return err
		}
		page, err := t.driver.ReadAll(ctx, eventstore.AllRange{After: after, AllTenants: true, Max: 1})
		if err != nil {
			return err
		}
		if after = page.Next; len(page.Events) > 0 {
			return nil
		}
	}
}

// end returns the checkpoint at the end of all events, as a reader has it that
// is about to wait.
func (t *trial) end(ctx context.Context) eventstore.Checkpoint {
	t.Helper()
	f := &follower{trial: t, name: "R"}
	f.toEnd(ctx, 100)
	return f.after
}

func waitTooLate(ctx context.Context, t *trial) {
	t.given(ctx, "wait-1", 1)
	for range t.rounds(10) {
		after := t.end(ctx)
		t.given(ctx, "wait-1", 1)
		if err := t.until(ctx, after); err != nil {
			t.broken(wakes+", also between its reading and its waiting", "%v", err)
			return
		}
	}
}

// waitWoken appends at a moment that moves through the beginning of the wait,
// where a wake-up could be lost.
func waitWoken(ctx context.Context, t *trial) {
	random := t.random(5)
	var longest time.Duration
	for range t.rounds(40) {
		after := t.end(ctx)
		delay := time.Microsecond << random.IntN(12)
		var appended time.Time
		var woken time.Duration
		t.atOnce(2, func(i int) {
			if i == 0 {
				time.Sleep(delay) // the moment is the point
				if _, err := t.append(ctx, "wait-1", eventstore.Any, t.events(1)...); err != nil {
					t.broken("events can be appended", "%v", err)
				}
				appended = time.Now()
				return
			}
			if err := t.until(ctx, after); err != nil {
				t.broken(wakes, "%v", err)
			}
			woken = time.Duration(time.Now().UnixNano())
		})
		if t.Failed() {
			return
		}
		longest = max(longest, woken-time.Duration(appended.UnixNano()))
	}
	t.Logf("the longest wake-up took %v", longest)
}

func waitMany(ctx context.Context, t *trial) {
	const waiters = 32
	after := t.end(ctx)
	var woken atomic.Int64
	t.atOnce(waiters+1, func(i int) {
		if i == 0 {
			time.Sleep(20 * time.Millisecond) // so that most are waiting
			if _, err := t.append(ctx, "wait-1", eventstore.Any, t.events(1)...); err != nil {
				t.broken("events can be appended", "%v", err)
			}
			return
		}
		if err := t.until(ctx, after); err != nil {
			t.broken(wakes, "%v", err)
			return
		}
		woken.Add(1)
	})
	if n := woken.Load(); n != waiters {
		t.broken(wakes, "%d of %d were woken", n, waiters)
	}
}

func waitCommit(ctx context.Context, t *trial) {
	tx := t.begin(ctx, "A")
	tx.append(ctx, "wait-1", 1)
	after := t.end(ctx)
	t.atOnce(2, func(i int) {
		if i == 0 {
			time.Sleep(20 * time.Millisecond) // so that the other is waiting
			if err := tx.finish(ctx, true); err != nil {
				t.broken("a transaction can commit", "%v", err)
			}
		} else if err := t.until(ctx, after); err != nil {
			t.broken(wakes+", by whatever transaction", "%v", err)
		}
	})
}

func waitCancelled(ctx context.Context, t *trial) {
	const most = 2 * time.Second
	promise := fmt.Sprintf("a wait whose context is done returns its cause within %v", most)
	t.given(ctx, "wait-1", 1)
	after := t.end(ctx)
	cause := errors.New("tired of waiting")
	waiting, cancel := context.WithCancelCause(ctx)
	cancelled := make(chan time.Time, 1)
	t.atOnce(9, func(i int) {
		if i == 0 {
			time.Sleep(20 * time.Millisecond) // so that the others are waiting
			cancelled <- time.Now()
			cancel(cause)
			return
		}
		var err error
		for err == nil {
			err = t.driver.Wait(waiting, after)
		}
		t.wants(promise, err, cause)
	})
	if took := time.Since(<-cancelled); took > most {
		t.broken(promise, "it took %v", took)
	}
	t.wants("a wait whose context is done already returns its cause", t.driver.Wait(waiting, after), cause)
}
