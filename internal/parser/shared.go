package parser

import (
	"sync/atomic"
	"time"
)

// shared keeps a table that is the same for every parser of times in UTC: making a large
// one takes longer than parsing a small object. It is made when it is first asked for;
// two that ask at once may both make it.
type shared[T any] struct{ utc atomic.Pointer[T] }

func (s *shared[T]) of(zone *time.Location, build func(*time.Location) T) T {
	if zone != time.UTC {
		return build(zone)
	}
	if made := s.utc.Load(); made != nil {
		return *made
	}
	made := build(zone)
	s.utc.Store(&made)
	return made
}
