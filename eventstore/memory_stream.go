package eventstore

import (
	"bytes"
	"maps"
	"sort"
	"time"

	"github.com/google/uuid"
)

// memoryStream is what Memory knows of one stream. A nil one is absent.
type memoryStream struct {
	head      Head
	positions []int64 // of version 1, 2, 3...
	few       [2]int64

	// versions has every ID of a stream whose IDs do not ascend. It is nil while
	// they do, as those that Append makes: a search among the events finds them
	// then, and a new ID is seen to be new by the last one.
	versions map[uuid.UUID]int64
}

func (s *memoryStream) state() Head {
	if s == nil {
		return Head{First: 1}
	}
	return s.head
}

func (s *memoryStream) id(l *memoryLog, version int64) *uuid.UUID {
	return &l.at(s.positions[version-1]).ID
}

// ascends tells whether an ID is greater than the last of the stream.
func (s *memoryStream) ascends(l *memoryLog, id *uuid.UUID) bool {
	return s.head.Version == 0 || bytes.Compare(s.id(l, s.head.Version)[:], id[:]) < 0
}

func (s *memoryStream) find(l *memoryLog, id uuid.UUID) (Found, bool) {
	if s == nil {
		return Found{}, false
	}
	version, found := s.versions[id]
	if s.versions == nil && !s.ascends(l, &id) {
		var i int
		i, found = sort.Find(len(s.positions), func(i int) int {
			return bytes.Compare(id[:], s.id(l, int64(i)+1)[:])
		})
		version = int64(i) + 1
	}
	if !found {
		return Found{}, false
	}
	return Found{Version: version, Position: s.positions[version-1]}, true
}

// write adds the events and returns the position of the last.
func (s *memoryStream) write(l *memoryLog, w *Write, now time.Time) (position int64) {
	for i := range w.Events {
		e := &w.Events[i]
		if s.versions == nil && !s.ascends(l, &e.ID) {
			s.versions = make(map[uuid.UUID]int64, len(s.positions)+len(w.Events)-i)
			for version := range s.head.Version {
				s.versions[*s.id(l, version+1)] = version + 1
			}
		}
		s.head.Version++
		if s.versions != nil {
			s.versions[e.ID] = s.head.Version
		}
		r := l.add()
		r.Event = *e
		r.Data = append([]byte(nil), e.Data...)
		r.Metadata.Extra = maps.Clone(e.Metadata.Extra)
		r.Stream = w.Stream
		r.Version = s.head.Version
		r.Time = now
		position = r.Position
		s.positions = append(s.positions, position)
	}
	s.head.Deleted = false
	return position
}
