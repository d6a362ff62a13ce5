package eventstore

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

// These tests look inside because a clock that stands still or is set back
// cannot be had through the exported names.

func TestIDsHaveTheLayoutOfVersion7(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 987_654_321, time.UTC)
	id := new(ids).at(now)
	if id.Version() != 7 || id.Variant() != uuid.RFC4122 {
		t.Fatalf("%s has version %d and variant %s", id, id.Version(), id.Variant())
	}
	milli := int64(id[0])<<40 | int64(id[1])<<32 | int64(id[2])<<24 | int64(id[3])<<16 | int64(id[4])<<8 | int64(id[5])
	if milli != now.UnixMilli() {
		t.Errorf("the first 48 bits are %d, want the milliseconds %d", milli, now.UnixMilli())
	}
	fraction := int(id[6]&0xf)<<8 | int(id[7])
	if want := 654_321 * 4096 / 1_000_000; fraction != want {
		t.Errorf("the 12 bits after the version are %d, want %d 4096ths of a millisecond", fraction, want)
	}
}

func TestIDsUseAllRandomBits(t *testing.T) {
	var ever, always [8]byte
	for i := range always {
		always[i] = 0xff
	}
	var s ids
	for range 200 { // a bit that is random stays the same for 200 IDs once in 2^199 runs
		id := s.next()
		for i := range ever {
			ever[i] |= id[8+i]
			always[i] &= id[8+i]
		}
	}
	if want := [8]byte{0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}; ever != want {
		t.Errorf("bits that were ever set: %x, want %x", ever, want)
	}
	if want := [8]byte{0x80}; always != want {
		t.Errorf("bits that were always set: %x, want %x", always, want)
	}
}

func TestIDsGrow(t *testing.T) {
	start := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	tests := []struct {
		name  string
		clock func(i int) time.Time
	}{
		{"clock runs", func(i int) time.Time { return start.Add(time.Duration(i) * time.Microsecond) }},
		{"clock stands still for longer than 12 bits last", func(int) time.Time { return start }},
		{"clock is set back", func(i int) time.Time { return start.Add(-time.Duration(i) * time.Hour) }},
		{"clock stands at 1970", func(int) time.Time { return time.Unix(0, 0) }},
		{"clock stands before 1970", func(int) time.Time { return time.Unix(-1e9, 0) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var s ids
			last := s.at(test.clock(0))
			for i := 1; i < 10_000; i++ {
				id := s.at(test.clock(i))
				if bytes.Compare(last[:], id[:]) >= 0 {
					t.Fatalf("ID %d is %s, not greater than the one before, %s", i, id, last)
				}
				if id.Version() != 7 || id.Variant() != uuid.RFC4122 {
					t.Fatalf("ID %d, %s, has version %d and variant %s", i, id, id.Version(), id.Variant())
				}
				last = id
			}
		})
	}
}

func TestIDsFollowTheClockAgain(t *testing.T) {
	start := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	var s ids
	s.at(start)
	s.at(start.Add(-time.Hour))
	later := start.Add(time.Second)
	id := s.at(later)
	if sec, nsec := id.Time().UnixTime(); time.Unix(sec, nsec).UnixMilli() != later.UnixMilli() {
		t.Errorf("%s is of %s, want %s", id, time.Unix(sec, nsec), later)
	}
}

func TestIDsAreUniqueAcrossGoroutines(t *testing.T) {
	const goroutines, each = 8, 125_000
	var s ids
	all := make([][]uuid.UUID, goroutines)
	var running sync.WaitGroup
	for g := range goroutines {
		running.Go(func() {
			all[g] = make([]uuid.UUID, each)
			for i := range all[g] {
				all[g][i] = s.next()
			}
		})
	}
	running.Wait()
	// The first half of an ID alone must not come twice: else the IDs would not
	// grow, but only differ by chance.
	seen := make(map[[8]byte]bool, goroutines*each)
	for g := range all {
		for i, id := range all[g] {
			first := [8]byte(id[:8])
			if seen[first] {
				t.Fatalf("%x... came twice", first)
			}
			seen[first] = true
			if i > 0 && bytes.Compare(all[g][i-1][:], id[:]) >= 0 {
				t.Fatalf("goroutine %d got %s after %s", g, id, all[g][i-1])
			}
		}
	}
}
