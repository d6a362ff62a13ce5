package retry

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// A half of the samples is forgotten whenever another half is complete, so the
	// latest 500 to 1,000 count.
	halfSamples = 500
	// minSamples is how many there must be before anything is learned.
	minSamples = 50
	// learnEvery is after how many samples the quantile is computed anew.
	learnEvery = 10

	// Each power of two has 16 buckets, so a bucket is at most 1/16 wide.
	bucketBits     = 4
	latencyBuckets = (64 - bucketBits) << bucketBits
)

// latencies learns a quantile of the latest latencies, to within 1/16 above it, in
// 4 KB.
type latencies struct {
	quantile float64
	learned  atomic.Int64 // in nanoseconds; 0 is nothing yet

	mu     sync.Mutex
	latest histogram
	before histogram // the half before the latest
}

type histogram struct {
	samples int
	counts  [latencyBuckets]uint16 // of at most halfSamples
}

// delay returns the quantile, or 0 if there are too few samples.
func (l *latencies) delay() time.Duration { return time.Duration(l.learned.Load()) }

func (l *latencies) record(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest.counts[latencyBucket(d)]++
	l.latest.samples++
	samples := l.latest.samples + l.before.samples
	if samples >= minSamples && samples%learnEvery == 0 {
		l.learned.Store(int64(l.learn(samples)))
	}
	if l.latest.samples == halfSamples {
		l.before = l.latest
		l.latest = histogram{}
	}
}

// learn returns the upper end of the bucket that the quantile is in, so that no
// latency of the bucket counts as a late one.
func (l *latencies) learn(samples int) time.Duration {
	rank := int(math.Ceil(l.quantile * float64(samples)))
	for bucket := range latencyBuckets {
		rank -= int(l.latest.counts[bucket]) + int(l.before.counts[bucket])
		if rank <= 0 {
			return bucketEnd(bucket)
		}
	}
	return math.MaxInt64 // there is no such rank
}

// latencyBucket numbers the buckets: one for each nanosecond below 16, then 16 for
// each power of two.
func latencyBucket(d time.Duration) int {
	ns := uint64(max(d, 0))
	shift := max(bits.Len64(ns)-bucketBits-1, 0)
	return shift<<bucketBits + int(ns>>shift)
}

// bucketEnd returns the first latency above those of a bucket.
func bucketEnd(bucket int) time.Duration {
	next := bucket + 1
	shift := max(next>>bucketBits-1, 0)
	end := uint64(next-shift<<bucketBits) << shift
	return time.Duration(min(end, math.MaxInt64))
}
