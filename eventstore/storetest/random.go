package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/parlance-go/parlance/eventstore"
)

func randomGroup() group {
	return group{"random operations", []testCase{
		{name: "one after another as the model", check: randomSequences},
		{name: "at the same time as the model in some order", check: randomRounds},
	}}
}

const asModel = "a store does what the model of package storetest does"

// randomSequences plays sequences against the model, each in a tenant of its
// own, and shortens the first that shows a difference.
func randomSequences(ctx context.Context, t *trial) {
	const length = 60
	random := t.random(2)
	for n := range t.rounds(15) {
		play := t.tenant(fmt.Sprintf("sequence %d", n)).chapter()
		model := NewModel()
		var ops []Op
		for i := range length {
			op := model.Next(random.IntN)
			ops = append(ops, op)
			err := model.Step(op, play.do(ctx, op))
			if err == nil && (i%20 == 19 || i == length-1) {
				err = model.Verify(ctx, play.store)
			}
			if err != nil {
				t.tellShortest(ctx, ops, err)
				return
			}
		}
	}
}

// tellShortest reports a sequence with as few operations as still show a
// difference.
func (t *trial) tellShortest(ctx context.Context, ops []Op, err error) {
	t.Helper()
	tries := 0
	shortest, shown := Shorten(ops, func(ops []Op) error {
		if tries++; tries > 300 { // long enough: tell what there is
			return nil
		}
		_, err := t.replay(ctx, ops, fmt.Sprintf("replay %d", tries))
		return err
	})
	if shown == nil { // it does not happen every time
		t.broken(asModel, "%v\n\tThis was the last of %d operations, and did not happen again when they were repeated:\n\t%s",
			err, len(ops), tellOps(ops))
		return
	}
	diary, told := t.replay(ctx, shortest, "told")
	if told == nil {
		told = shown
	}
	t.diary = diary
	t.broken(asModel, "%v\n\tOf %d random operations these %d are enough to show it.",
		told, len(ops), len(shortest))
}

// replay does operations in a tenant of its own, and returns how they differ
// from the model.
func (t *trial) replay(ctx context.Context, ops []Op, tenant string) (*diary, error) {
	play := t.tenant(tenant).chapter()
	model := NewModel()
	for _, op := range ops {
		if err := model.Step(op, play.do(ctx, op)); err != nil {
			return play.diary, err
		}
	}
	return play.diary, model.Verify(ctx, play.store)
}

func tellOps(ops []Op) string {
	lines := make([]string, len(ops))
	for i, op := range ops {
		lines[i] = op.String()
	}
	return strings.Join(lines, "\n\t")
}

// Shorten leaves out operations as long as the rest still fails, and returns
// those that are needed together with the last failure. It returns nil for that
// if not even all of them fail again.
func Shorten(ops []Op, failure func([]Op) error) ([]Op, error) {
	shown := failure(ops)
	if shown == nil {
		return ops, nil
	}
	for size := len(ops) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(ops); {
			rest := slices.Concat(ops[:at], ops[at+size:])
			if err := failure(rest); err != nil {
				ops, shown = rest, err
			} else {
				at += size
			}
		}
	}
	return ops, shown
}

// randomRounds does a few operations at the same time, again and again. Some
// order of them must give, in the model, what each came to, and the state that
// they left.
func randomRounds(ctx context.Context, t *trial) {
	const together, rounds = 3, 12
	random := t.random(3)
	for n := range t.rounds(15) {
		play := t.tenant(fmt.Sprintf("rounds %d", n)).chapter()
		model := NewModel()
		for range rounds {
			ops := make([]Op, together)
			for i := range ops {
				ops[i] = model.Next(random.IntN)
			}
			outcomes := make([]Outcome, together)
			play.atOnce(together, func(i int) { outcomes[i] = Do(ctx, play.store, ops[i]) })
			after, why := explain(ctx, play.store, model, ops, outcomes)
			if after == nil {
				play.broken("operations at the same time come to what they would come to one after another, in some order",
					"in no order of the last %d:%s", together, why)
				return
			}
			for i := range ops {
				play.diary.add("with the %d beside it: %s -> %s", together-1, ops[i], outcomes[i])
			}
			model = after
		}
		if err := model.Verify(ctx, play.store); err != nil {
			play.broken(asModel, "%v", err)
			return
		}
	}
}

// explain returns the model after an order of the operations that gives their
// outcomes and the state of the store, or says of each order why it does not.
func explain(ctx context.Context, store *eventstore.Store, before *Model, ops []Op, outcomes []Outcome) (*Model, string) {
	var why strings.Builder
	for i := range ops {
		fmt.Fprintf(&why, "\n\t%c. %s -> %s", 'A'+i, ops[i], outcomes[i])
	}
	for order := range permutations(len(ops)) {
		model := before.Clone()
		var err error
		for _, i := range order {
			if err = model.Step(ops[i], outcomes[i]); err != nil {
				err = fmt.Errorf("%c: %w", 'A'+i, err)
				break
			}
		}
		if err == nil {
			err = model.Verify(ctx, store)
		}
		if err == nil {
			return model, ""
		}
		why.WriteString("\n\tnot ")
		for _, i := range order {
			why.WriteByte(byte('A' + i))
		}
		fmt.Fprintf(&why, ": %v", err)
	}
	return nil, why.String()
}

// permutations yields the orders of 0 to n-1.
func permutations(n int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		order := make([]int, 0, n)
		var extend func() bool
		extend = func() bool {
			if len(order) == n {
				return yield(order)
			}
			for i := range n {
				if slices.Contains(order, i) {
					continue
				}
				order = append(order, i)
				if !extend() {
					return false
				}
				order = order[:len(order)-1]
			}
			return true
		}
		extend()
	}
}
