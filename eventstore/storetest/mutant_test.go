package storetest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/storetest"
)

// mutant is a driver with one fault, and the promise whose case must find it.
type mutant struct {
	fault string
	// Either spoils a method of a driver that keeps its promises, or the whole
	// harness.
	driver  func(d *transactional) eventstore.Driver
	harness func(h *storetest.Harness)
	// by is the case or group that finds it, with words that its failure has;
	// where more than one can be the first to fail, a | is between them.
	by    string
	words string
	// hangs says that something never happens, for which the kit waits.
	hangs bool
}

// TestMutants sees to it that the kit can fail: each of its promises has been
// broken once.
func TestMutants(t *testing.T) {
	for _, list := range [][]mutant{appendMutants(), readMutants(), readAllMutants(), transactionMutants(), waitMutants()} {
		for _, m := range list {
			t.Run(m.fault, func(t *testing.T) {
				t.Parallel()
				h := transactionalHarness()
				h.Patience = 4 * time.Second
				if m.hangs {
					h.Patience = time.Second
				}
				if m.driver != nil {
					h.New = func(testing.TB) eventstore.Driver { return m.driver(newTransactional()) }
				}
				if m.harness != nil {
					m.harness(&h)
				}
				w := watch(t, h, m.by)
				switch {
				case !w.failed:
					t.Errorf("%q did not find it", m.by)
				case !slices.ContainsFunc(strings.Split(m.words, "|"), func(words string) bool {
					return strings.Contains(w.words.String(), words)
				}):
					t.Errorf("%q found it, but not in these words: %q. It said:%s", m.by, m.words, w.words.String())
				case testing.Verbose():
					t.Logf("%.3000s", w.words.String())
				}
			})
		}
	}
}

// spoilt is a driver some of whose methods do something else.
type spoilt struct {
	*transactional
	append     func(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error
	readStream func(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error)
	readAll    func(ctx context.Context, r eventstore.AllRange) (eventstore.Page, error)
	wait       func(ctx context.Context, after eventstore.Checkpoint) error
	erase      func(ctx context.Context, e eventstore.Erasure) error
	count      func(ctx context.Context, r eventstore.AllRange) (int64, error)
}

func (s *spoilt) Append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	if s.append != nil {
		return s.append(ctx, writes, results)
	}
	return s.transactional.Append(ctx, writes, results)
}

func (s *spoilt) ReadStream(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error) {
	if s.readStream != nil {
		return s.readStream(ctx, r)
	}
	return s.transactional.ReadStream(ctx, r)
}

func (s *spoilt) ReadAll(ctx context.Context, r eventstore.AllRange) (eventstore.Page, error) {
	if s.readAll != nil {
		return s.readAll(ctx, r)
	}
	return s.transactional.ReadAll(ctx, r)
}

func (s *spoilt) Wait(ctx context.Context, after eventstore.Checkpoint) error {
	if s.wait != nil {
		return s.wait(ctx, after)
	}
	return s.transactional.Wait(ctx, after)
}

func (s *spoilt) Erase(ctx context.Context, e eventstore.Erasure) error {
	if s.erase != nil {
		return s.erase(ctx, e)
	}
	return s.transactional.Erase(ctx, e)
}

func (s *spoilt) Count(ctx context.Context, r eventstore.AllRange) (int64, error) {
	if s.count != nil {
		return s.count(ctx, r)
	}
	return s.transactional.Count(ctx, r)
}

// underlying is the good driver in any of these.
func underlying(d eventstore.Driver) *transactional {
	switch d := d.(type) {
	case *transactional:
		return d
	case *spoilt:
		return d.transactional
	case other:
		return d.transactional
	default:
		panic(fmt.Sprintf("unknown driver %T", d))
	}
}
