package postgres

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// An epoch as in a store that has been restored twice.
func thirdEpoch() *epoch {
	return &epoch{base: 2000, names: []string{"a1.0", "b2.1000", "c3.2000"}, bases: []int64{0, 1000, 2000}}
}

func randomSnapshot(random *rand.Rand) snapshot {
	s := snapshot{xmin: random.Int64N(1 << 40)}
	next := s.xmin
	for range random.IntN(6) {
		s.running = append(s.running, next)
		next += 1 + random.Int64N(1000)
	}
	s.xmax = next + random.Int64N(3)
	return s
}

// write makes the checkpoint of a progress, as a page does.
func write(e *epoch, p progress) eventstore.Checkpoint {
	if p.next == nil {
		return after(e, p.seen)
	}
	return newCheckpoints(e, p).at(p.at)
}

func TestCheckpointRoundTrip(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	e := thirdEpoch()
	for range 5000 {
		p := progress{seen: randomSnapshot(random)}
		if random.IntN(3) > 0 {
			next := randomSnapshot(random)
			p.next = &next
			p.at = cursor{ord: random.Int64N(1 << 50), seq: random.Int64N(1 << 50)}
		}
		checkpoint, err := eventstore.ParseCheckpoint(write(e, p).String())
		assert.NoError(t, err)
		got, err := parseCheckpoint(checkpoint, e)
		assert.NoError(t, err, "%q", checkpoint)
		assert.True(t, reflect.DeepEqual(got, p), "%q is read as %+v, was %+v", checkpoint, got, p)
	}
}

// The places of one page share a text as long as they are near each other.
func TestCheckpointsOfAPage(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	e := thirdEpoch()
	next := randomSnapshot(random)
	p := progress{seen: randomSnapshot(random), next: &next}
	page := newCheckpoints(e, p)
	place := cursor{ord: 5, seq: 5}
	bases := make(map[string]bool)
	steps := []int64{0, 1, 7, 1 << 20, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 40}
	for range 3000 {
		place.ord += steps[random.IntN(len(steps))]
		place.seq = max(0, place.seq+steps[random.IntN(len(steps))]*(1-2*random.Int64N(2)))
		checkpoint := page.at(place)
		base, _ := checkpoint.Parts()
		bases[base] = true
		got, err := parseCheckpoint(checkpoint, e)
		assert.NoError(t, err)
		assert.Equal(t, got.at, place)
	}
	page, place = newCheckpoints(e, p), cursor{ord: 1 << 40, seq: 1 << 40}
	bases = make(map[string]bool)
	for i := range int64(2000) {
		base, _ := page.at(cursor{ord: place.ord + i*1000, seq: place.seq + i*i}).Parts()
		bases[base] = true
	}
	assert.Equal(t, len(bases), 1, "texts of a page of neighbours")
}

func TestCheckpointOfAnotherEpoch(t *testing.T) {
	t.Parallel()
	now := thirdEpoch()
	for _, test := range []struct {
		base  string
		xmax  int64 // of what the reader has seen, in this history
		known bool
	}{
		{"a1.0,b2.1000,c3.2000/7777:7777:", 7777, true},
		{"a1.0,b2.1000/7777:7777:", 2000, true}, // the dump was made before
		{"a1.0/7777:7777:", 1000, true},
		{"a1.0/77:77:", 77, true},
		{"a1.0,b2.1000,d4.1500/7777:7777:", 1500, true}, // another restore, of an older dump
		{"a1.0,b2.1000,d4.2500/7777:7777:", 2000, true}, // and of a newer one
		{"a1.0,d4.600,e5.900/7777:7777:", 600, true},
		{"a1.0,b2.1000,c3.2000,d4.3000/7777:7777:", 3000, true}, // we are an older dump of that store
		{"x1.0,b2.1000,c3.2000/7777:7777:", 0, false},
		{"a1.1/7777:7777:", 0, false},
		{"a1.0,d4/7777:7777:", 0, false},
		{"a1.0,d4.x/7777:7777:", 0, false},
		{"a1.0,d4.-5/7777:7777:", 0, false},
		{"/7777:7777:", 0, false},
	} {
		p, err := parseCheckpoint(eventstore.NewCheckpoint(test.base, 0), now)
		if !test.known {
			assert.ErrorIs(t, err, eventstore.ErrCheckpoint, "%s", test.base)
			continue
		}
		assert.NoError(t, err, "%s", test.base)
		assert.Equal(t, p.seen.xmax, test.xmax, "%s", test.base)
	}
	// What ran then may have committed before the dump, or never.
	p, err := parseCheckpoint(eventstore.NewCheckpoint("a1.0/500:3000:500,999,1000,2000/600:4000:600,1001/700.1", 1<<31), now)
	assert.NoError(t, err)
	assert.Equal(t, p.seen, snapshot{xmin: 500, xmax: 1000, running: []int64{500, 999}})
	assert.Equal(t, *p.next, snapshot{xmin: 600, xmax: 1000, running: []int64{600}})
}

var garbage = []string{
	"1", "-1", "1@", "0@x", "0@/", "0@a1.0", "0@a1.0/", "0@a1.0/1:2", "0@a1.0/2:1:", "0@a1.0/-1:2:", "0@a1.0/1:2:x", "0@a1.0/1:2:2",
	"0@a1.0/1:5:3,3", "0@a1.0/1:5:4,3", "0@a1.0/1:5:0", "0@a1.0/1:5:,", "0@a1.0/1:5:3,", "7@a1.0/1:5:3", "0@a1.0/1:5:3/",
	"0@a1.0/1:5:3/1:5:3", "0@a1.0/1:5:3/1:5:3/", "0@a1.0/1:5:3/1:5:3/5", "0@a1.0/1:5:3/1:5:3/5.", "0@a1.0/1:5:3/1:5:3/5.x",
	"-1@a1.0/1:5:3/1:5:3/5.5", "4611686018427387904@a1.0/1:5:3/1:5:3/5.5", "0@a1.0/1:5:3/1:5:3/5.5/1",
	"0@a1.0/99999999999999999999:5:", "0@a1.0/1:5:3/1:5:3/-5.5", "0@a1.0/1:5:3/1:5:3/5.-5",
	"1@a1.0/1:5:3/1:5:3/9223372036854775807.5", "4611686018427387903@a1.0/1:5:3/1:5:3/9223372036854775807.9223372036854775807",
}

func TestCheckpointOfGarbage(t *testing.T) {
	t.Parallel()
	for _, text := range garbage {
		checkpoint, err := eventstore.ParseCheckpoint(text)
		if err == nil {
			_, err = parseCheckpoint(checkpoint, thirdEpoch())
		}
		assert.ErrorIs(t, err, eventstore.ErrCheckpoint, "%q", text)
	}
}

// No text makes the parser panic; what it accepts means the same when it is
// written and read again.
func FuzzCheckpoint(f *testing.F) {
	e := thirdEpoch()
	for _, text := range garbage {
		f.Add(text)
	}
	random := rand.New(rand.NewPCG(5, 6))
	for range 10 {
		next := randomSnapshot(random)
		f.Add(write(e, progress{seen: next}).String())
		f.Add(write(e, progress{seen: randomSnapshot(random), next: &next, at: cursor{7, 8}}).String())
	}
	f.Add("2147483648@a1.0/500:3000:500,999,1000,2000/600:4000:600,1001/700.1")
	f.Fuzz(func(t *testing.T, text string) {
		checkpoint, err := eventstore.ParseCheckpoint(text)
		if err != nil || checkpoint.IsZero() {
			return
		}
		p, err := parseCheckpoint(checkpoint, e)
		if err != nil {
			assert.ErrorIs(t, err, eventstore.ErrCheckpoint)
			return
		}
		for _, s := range []*snapshot{&p.seen, p.next} {
			if s == nil {
				continue
			}
			assert.True(t, 0 <= s.xmin && s.xmin <= s.xmax && slices.IsSorted(s.running), "%q: %+v", text, s)
			if len(s.running) > 0 {
				assert.True(t, s.running[len(s.running)-1] < s.xmax, "%q: %+v", text, s)
			}
		}
		assert.True(t, p.at.ord >= 0 && p.at.seq >= 0, "%q: %+v", text, p.at)
		again, err := parseCheckpoint(write(e, p), e)
		assert.NoError(t, err, "%q", text)
		if len(p.seen.running) == 0 { // none, or cut to none
			again.seen.running, p.seen.running = nil, nil
		}
		if p.next != nil && len(p.next.running) == 0 {
			again.next.running, p.next.running = nil, nil
		}
		assert.True(t, reflect.DeepEqual(again, p), "%q: %+v, again %+v", text, p, again)
	})
}

// FuzzSnapshot reads what the server says of its transactions.
func FuzzSnapshot(f *testing.F) {
	for _, text := range []string{"10:20:10,14,15", "1:1:", "::", "10:5:", "1:9223372036854775807:"} {
		f.Add(text, int64(0))
		f.Add(text, int64(1000))
	}
	f.Fuzz(func(t *testing.T, text string, base int64) {
		if base < 0 {
			return
		}
		s, err := parseSnapshot(text, base)
		if err != nil {
			return
		}
		again, err := parseSnapshot(string(s.append(nil)), 0)
		assert.NoError(t, err, "%q", text)
		assert.True(t, reflect.DeepEqual(again, s), "%q: %+v, again %+v", text, s, again)
		for _, limit := range []int64{0, s.xmin, s.xmin + 1, s.xmax, math.MaxInt64} {
			cut := s.before(limit)
			for _, id := range []int64{limit - 1, limit, s.xmin - 1, s.xmin, s.xmax - 1, s.xmax} {
				assert.Equal(t, shows(cut, id), shows(s, id) && id < limit, "%q before %d: id %d", text, limit, id)
			}
		}
	})
}

func shows(s snapshot, id int64) bool {
	return id < s.xmin || id < s.xmax && !slices.Contains(s.running, id)
}
