package reading_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/examples/education/internal/service"
	"github.com/parlance-go/parlance/examples/education/internal/service/reading"
	"github.com/parlance-go/parlance/internal/assert"
)

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func named(i int) reading.Reference { return reading.Reference{FileName: fmt.Sprint(i)} }

// A document that takes longer than any request may is read once, and not for
// ever.
func TestWhatTookTooLongIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		read := reading.NewReadings(func(reading.Reference) (extract.Document, error) {
			reads++
			time.Sleep(25 * time.Second)
			return extract.Document{Title: "long"}, nil
		})
		for range 2 { // after 10 s and 20 s it is under way
			_, err := read(within(t, 10*time.Second), named(1))
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		}
		time.Sleep(time.Minute) // it is done, and nobody waits
		began := time.Now()
		document, err := read(within(t, 10*time.Second), named(1))
		assert.NoError(t, err)
		assert.Equal(t, document.Title, "long")
		assert.Equal(t, time.Since(began), 0)
		assert.Equal(t, reads, 1)
		_, err = read(within(t, time.Minute), named(1))
		assert.NoError(t, err)
		assert.Equal(t, reads, 2, "what was fetched is not kept")
	})
}

func TestTheSameDocumentAtOnceIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		read := reading.NewReadings(func(reading.Reference) (extract.Document, error) {
			reads++
			time.Sleep(time.Second)
			return extract.Document{Title: "one"}, nil
		})
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if document, err := read(t.Context(), named(1)); err != nil || document.Title != "one" {
					t.Error(document, err)
				}
			})
		}
		group.Wait()
		assert.Equal(t, reads, 1)
	})
}

func TestOnlyAnswersAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			err   error
			reads int
		}{
			"rejected": {&extract.RejectedError{Reason: "it is long"}, 1},
			"disk":     {errors.New("the disk is on fire"), 2},
		} {
			reads := 0
			read := reading.NewReadings(func(reading.Reference) (extract.Document, error) {
				reads++
				time.Sleep(time.Minute)
				return extract.Document{}, test.err
			})
			_, err := read(within(t, time.Second), named(1))
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			time.Sleep(time.Hour)
			_, err = read(within(t, time.Hour), named(1))
			assert.ErrorIs(t, err, test.err)
			assert.Equal(t, reads, test.reads, "%s", name)
		}
	})
}

func TestReadingsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := atomic.Int64{}
		read := reading.NewReadings(func(reading.Reference) (extract.Document, error) {
			reads.Add(1)
			time.Sleep(time.Minute)
			return extract.Document{}, nil
		})
		var group sync.WaitGroup
		for i := range reading.MaxReadings {
			group.Go(func() {
				if _, err := read(within(t, time.Second), named(i)); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		_, err := read(t.Context(), named(-1))
		assert.Equal(t, assert.ErrorAs[*service.StatusError](t, err).Code, http.StatusServiceUnavailable)
		time.Sleep(time.Hour)

		// Too many were done in vain: the oldest are forgotten.
		for i := range reading.MaxKept {
			_, err := read(within(t, time.Second), named(100+i))
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			time.Sleep(time.Hour)
		}
		before := reads.Load()
		_, err = read(t.Context(), named(100))
		assert.NoError(t, err)
		assert.Equal(t, reads.Load(), before, "one that is kept")
		_, err = read(t.Context(), named(0))
		assert.NoError(t, err)
		assert.Equal(t, reads.Load(), before+1, "one that is forgotten")
	})
}

// What was kept and fetched is forgotten: it must not take the place of one that is
// being read.
func TestWhatIsReadAgainIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long, reads := named(-1), 0
		read := reading.NewReadings(func(reference reading.Reference) (extract.Document, error) {
			if reference != long {
				time.Sleep(2 * time.Second)
				return extract.Document{}, nil
			}
			reads++
			time.Sleep(time.Hour)
			return extract.Document{}, nil
		})
		inVain := func(reference reading.Reference) {
			t.Helper()
			_, err := read(within(t, time.Second), reference)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		}
		inVain(long)
		time.Sleep(time.Hour)
		_, err := read(t.Context(), long)
		assert.NoError(t, err)
		inVain(long)
		for i := range reading.MaxKept {
			inVain(named(i))
			time.Sleep(2 * time.Second)
		}
		_, err = read(t.Context(), long)
		assert.NoError(t, err)
		assert.Equal(t, reads, 2)
	})
}
