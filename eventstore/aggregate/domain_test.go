package aggregate_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
)

// The domain of the tests: an account whose balance never falls below zero.
type (
	accountEvent interface{ accountEvent() }
	deposited    struct{ Amount int }
	withdrawn    struct{ Amount int }
)

func (deposited) accountEvent() {}
func (withdrawn) accountEvent() {}

type account struct {
	Balance int
	Moves   []int
}

type (
	accountCommand interface{ accountCommand() }
	deposit        struct{ Amount int }
	withdraw       struct{ Amount int }
	exchange       struct{ In, Out int } // two events
	look           struct{}              // none
)

func (deposit) accountCommand()  {}
func (withdraw) accountCommand() {}
func (exchange) accountCommand() {}
func (look) accountCommand()     {}

var errInsufficient = errors.New("insufficient balance")

var accounts = aggregate.Decider[account, accountCommand, accountEvent]{
	Decide: func(a account, command accountCommand) ([]accountEvent, error) {
		switch c := command.(type) {
		case deposit:
			return []accountEvent{deposited{c.Amount}}, nil
		case withdraw:
			if c.Amount > a.Balance {
				return nil, errInsufficient
			}
			return []accountEvent{withdrawn{c.Amount}}, nil
		case exchange:
			return []accountEvent{deposited{c.In}, withdrawn{c.Out}}, nil
		default:
			return nil, nil
		}
	},
	Evolve: func(a account, event accountEvent) account {
		switch e := event.(type) {
		case deposited:
			a.Balance += e.Amount
			a.Moves = append(a.Moves, e.Amount)
		case withdrawn:
			a.Balance -= e.Amount
			a.Moves = append(a.Moves, -e.Amount)
		}
		return a
	},
}

func accountEvents(t testing.TB) *eventstore.Registry[accountEvent] {
	t.Helper()
	events, err := eventstore.NewRegistry[accountEvent](
		eventstore.JSON[deposited]("Deposited", 1),
		eventstore.JSON[withdrawn]("Withdrawn", 1),
	)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

type (
	accountConfig     = aggregate.Config[account, accountEvent]
	accountRepository = aggregate.Repository[account, accountCommand, accountEvent]
)

// newAccounts returns a repository over a driver, set up by the given changes.
func newAccounts(t testing.TB, driver eventstore.Driver, changes ...func(*accountConfig)) (*accountRepository, *eventstore.Store) {
	t.Helper()
	store := eventstore.New(driver, eventstore.Config{})
	config := accountConfig{Store: store, Category: "account", Events: accountEvents(t)}
	for _, change := range changes {
		change(&config)
	}
	repository, err := aggregate.NewRepository(accounts, config)
	if err != nil {
		t.Fatal(err)
	}
	return repository, store
}

// ledger is the same account, written with methods.
type ledger struct {
	aggregate.Root[accountEvent]
	Balance int
	Owner   string
}

func newLedger() *ledger { return &ledger{} }

func (l *ledger) Deposit(amount int) { l.Record(l, deposited{amount}) }

func (l *ledger) Withdraw(amount int) error {
	if amount > l.Balance {
		return errInsufficient
	}
	l.Record(l, withdrawn{amount})
	return nil
}

func (l *ledger) Apply(event accountEvent) {
	l.Owner = l.ID()
	switch e := event.(type) {
	case deposited:
		l.Balance += e.Amount
	case withdrawn:
		l.Balance -= e.Amount
	}
}

type (
	ledgerConfig = aggregate.Config[*ledger, accountEvent]
	ledgerRoots  = aggregate.Roots[*ledger, accountEvent]
)

func newLedgers(t testing.TB, driver eventstore.Driver, changes ...func(*ledgerConfig)) (*ledgerRoots, *eventstore.Store) {
	t.Helper()
	store := eventstore.New(driver, eventstore.Config{})
	config := ledgerConfig{Store: store, Category: "account", Events: accountEvents(t)}
	for _, change := range changes {
		change(&config)
	}
	roots, err := aggregate.NewRoots(newLedger, config)
	if err != nil {
		t.Fatal(err)
	}
	return roots, store
}

func sum(moves []int) (total int) {
	for move := range slices.Values(moves) {
		total += move
	}
	return total
}
