package eventstore

import "maps"

// memoryLog holds all events by position, in chunks, so that it never copies
// what it has.
type memoryLog struct{ chunks [][]Recorded }

const chunkSize = 256

func (l *memoryLog) len() int64 {
	if len(l.chunks) == 0 {
		return 0
	}
	last := len(l.chunks) - 1
	return int64(last*chunkSize + len(l.chunks[last]))
}

// add returns the next event, with its Position.
func (l *memoryLog) add() *Recorded {
	last := len(l.chunks) - 1
	if last < 0 || len(l.chunks[last]) == chunkSize {
		l.chunks = append(l.chunks, make([]Recorded, 0, chunkSize))
		last++
	}
	l.chunks[last] = append(l.chunks[last], Recorded{})
	r := &l.chunks[last][len(l.chunks[last])-1]
	r.Position = int64(last*chunkSize + len(l.chunks[last]))
	return r
}

func (l *memoryLog) at(position int64) *Recorded {
	i := int(position - 1)
	return &l.chunks[i/chunkSize][i%chunkSize]
}

// erase leaves of an event only what keeps its ID and its version used.
func (r *Recorded) erase() {
	*r = Recorded{Event: Event{ID: r.ID}, Version: r.Version, Position: r.Position}
}

// erased tells whether erase was called; events have a Type.
func (r *Recorded) erased() bool { return r.Type == "" }

// own gives a page its own bytes, so that no reader can change what is stored.
// All Data of a page share one allocation.
func own(page []Recorded) {
	total := 0
	for i := range page {
		total += len(page[i].Data)
	}
	bytes := make([]byte, 0, total)
	for i := range page {
		r := &page[i]
		if start := len(bytes); len(r.Data) > 0 {
			bytes = append(bytes, r.Data...)
			r.Data = bytes[start:len(bytes):len(bytes)]
		}
		r.Metadata.Extra = maps.Clone(r.Metadata.Extra)
	}
}
