package rolling_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/rolling"
)

// naive is a window that remembers everything.
type naive struct {
	width time.Duration
	added []addition
}

type addition struct {
	at   time.Duration
	lane rolling.Lane
}

func (n *naive) add(at time.Duration, lanes ...rolling.Lane) {
	for _, lane := range lanes {
		n.added = append(n.added, addition{at, lane})
	}
}

// sum counts what is in this part of the window and in the nine before.
func (n *naive) sum(now time.Duration) (sum rolling.Counts) {
	for _, a := range n.added {
		if now/n.width-a.at/n.width < 10 {
			sum[a.lane]++
		}
	}
	return sum
}

func (n *naive) total() (total rolling.Counts) {
	for _, a := range n.added {
		total[a.lane]++
	}
	return total
}

// between counts what is at most so old.
func (n *naive) between(now, age time.Duration) (sum rolling.Counts) {
	for _, a := range n.added {
		if now-a.at < age {
			sum[a.lane]++
		}
	}
	return sum
}

// lanes are the combinations that Add is called with.
var lanes = [][]rolling.Lane{
	{rolling.First},
	{rolling.Second},
	{rolling.Third},
	{rolling.First, rolling.Third},
	{rolling.Second, rolling.Third},
	{rolling.First, rolling.Second, rolling.Third},
}

// FuzzWindow runs a program of one byte for each step: the lower bits choose
// what to do, the upper ones how far time goes on before.
func FuzzWindow(f *testing.F) {
	f.Add(int64(time.Second), []byte{0, 16, 32, 255, 7, 8, 0, 9})
	f.Add(int64(10), []byte{0, 1, 2, 250, 6})
	f.Add(int64(33), []byte("what happened in the last seconds"))
	f.Fuzz(func(t *testing.T, length int64, program []byte) {
		if length < 10 || length > int64(time.Hour) {
			t.Skip("not a length that the package allows, or so long that times overflow")
		}
		checkProgram(t, time.Duration(length), program)
	})
}

func TestWindowCountsLikeOneThatRemembersEverything(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	for range 100 {
		program := make([]byte, 200)
		_, _ = random.Read(program)
		length := time.Duration(10 + random.Uint64()%uint64(time.Minute))
		checkProgram(t, length, program)
	}
}

func checkProgram(t *testing.T, length time.Duration, program []byte) {
	t.Helper()
	w, n := rolling.New(length), &naive{width: length / 10}
	now, taken := time.Duration(0), rolling.Counts{}
	for i, step := range program {
		// From no time at all to more than the length of the window.
		now += time.Duration(step>>3) * length / 29 / time.Duration(1+i%5)
		switch action := int(step & 7); {
		case action < len(lanes):
			w.Add(now, lanes[action]...)
			n.add(now, lanes[action]...)
		case action == 6 && i%7 == 0:
			for lane, count := range w.Take() {
				taken[lane] += count
			}
			// Take empties the window, but its past stays in the total.
			assert.Equal(t, w.Sum(now), rolling.Counts{}, "after Take in step %d", i)
			assert.Equal(t, taken, n.total(), "taken in step %d", i)
			n.added, taken = nil, rolling.Counts{}
		}
		sum := w.Sum(now)
		assert.Equal(t, sum, n.sum(now), "sum in step %d", i)
		assert.Equal(t, w.Total(), n.total(), "total in step %d", i)
		most, least := n.between(now, length), n.between(now, 9*(length/10))
		for lane := range sum {
			assert.True(t, least[lane] <= sum[lane] && sum[lane] <= most[lane],
				"lane %d in step %d: %d, want %d to %d", lane, i, sum[lane], least[lane], most[lane])
		}
	}
}

// TestTimeBeforeTheFirst is what a clock may say that another goroutine has read
// before the window was made.
func TestTimeBeforeTheFirst(t *testing.T) {
	w := rolling.New(time.Second)
	w.Add(-time.Hour, rolling.First)
	assert.Equal(t, w.Sum(-time.Second), rolling.Counts{1})
	assert.Equal(t, w.Sum(0), rolling.Counts{1})
	assert.Equal(t, w.Sum(time.Second), rolling.Counts{})
}

func TestLateComerCountsInTheNewerPart(t *testing.T) {
	w := rolling.New(time.Second)
	w.Add(time.Second, rolling.First)
	w.Add(0, rolling.Second) // whose place has been given away
	assert.Equal(t, w.Sum(time.Second), rolling.Counts{1, 1})
	assert.Equal(t, w.Sum(2*time.Second), rolling.Counts{})
	assert.Equal(t, w.Total(), rolling.Counts{1, 1})
}

// TestFullPartKeepsItsRatio adds more than a part can hold.
func TestFullPartKeepsItsRatio(t *testing.T) {
	w := rolling.New(10 * time.Second)
	const calls = 2 << 20
	for i := range calls {
		switch i % 4 {
		case 0:
			w.Add(0, rolling.Second, rolling.Third)
		default:
			w.Add(0, rolling.First)
		}
	}
	sum := w.Sum(0)
	ratio := float64(sum[rolling.Second]) / float64(sum[rolling.First]+sum[rolling.Second])
	assert.True(t, 0.2499 < ratio && ratio < 0.2501, "ratio %v of %v", ratio, sum)
	assert.True(t, sum[rolling.First] >= 1<<19, "%v are enough to judge by", sum)
	assert.Equal(t, w.Total(), rolling.Counts{calls / 4 * 3, calls / 4, calls / 4})
	assert.Equal(t, w.Take(), rolling.Counts{calls / 4 * 3, calls / 4, calls / 4})
}

// TestEachAdditionIsTakenOnce has several goroutines add at times that run
// through parts of the window, and others sum and take meanwhile.
func TestEachAdditionIsTakenOnce(t *testing.T) {
	t.Run("in one part", func(t *testing.T) { testTaking(t, time.Hour) })
	t.Run("in many parts", func(t *testing.T) { testTaking(t, time.Microsecond) })
}

func testTaking(t *testing.T, length time.Duration) {
	t.Helper()
	const adders, each = 4, 20_000
	w := rolling.New(length)
	var adding, watching sync.WaitGroup
	for adder := range adders {
		adding.Go(func() {
			for i := range each {
				w.Add(time.Duration(i*10+adder), lanes[i%len(lanes)]...)
				if i%16 == 0 {
					runtime.Gosched() // or adders would be done before others take
				}
			}
		})
	}
	stop := make(chan struct{})
	takings := make([]rolling.Counts, 2)
	for watcher := range takings {
		watching.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				for lane, count := range w.Take() {
					takings[watcher][lane] += count
				}
				runtime.Gosched()
				for _, count := range w.Sum(time.Duration(i)) {
					if count > adders*each {
						t.Errorf("a sum of %d", count)
						return
					}
				}
			}
		})
	}
	adding.Wait()
	close(stop)
	watching.Wait()
	var want rolling.Counts
	for i := range each {
		for _, lane := range lanes[i%len(lanes)] {
			want[lane] += adders
		}
	}
	got := w.Take()
	for _, taking := range takings {
		for lane, count := range taking {
			got[lane] += count
		}
	}
	assert.Equal(t, got, want)
	assert.Equal(t, w.Total(), rolling.Counts{})
}

// TestPartsBeginOnce: of several goroutines that come first to a part of the
// window, each is counted.
func TestPartsBeginOnce(t *testing.T) {
	const adders, rounds = 2, 20_000
	w := rolling.New(10 * time.Second)
	// The adders spin, because those that sleep do not wake at the same moment.
	var round, ended atomic.Int64
	for range adders {
		go func() {
			for i := int64(1); i <= rounds; i++ {
				for round.Load() < i {
					runtime.Gosched()
				}
				w.Add(time.Duration(i)*10*time.Second, rolling.First)
				ended.Add(1)
			}
		}()
	}
	for i := int64(1); i <= rounds; i++ {
		round.Store(i)
		for ended.Load() < i*adders {
			runtime.Gosched()
		}
		if sum := w.Sum(time.Duration(i) * 10 * time.Second); sum != (rolling.Counts{adders}) {
			t.Fatalf("round %d: %v", i, sum)
		}
	}
	assert.Equal(t, w.Total(), rolling.Counts{adders * rounds})
}

func TestCountingAllocatesNothing(t *testing.T) {
	w, now := rolling.New(time.Second), time.Duration(0)
	allocs := testing.AllocsPerRun(1000, func() {
		now += 7 * time.Millisecond
		w.Add(now, rolling.First, rolling.Third)
		w.Sum(now)
		w.Take()
	})
	assert.Equal(t, allocs, 0)
}
