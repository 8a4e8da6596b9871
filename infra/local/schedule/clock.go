// Package schedule is what time does to the stack: a clock that can be moved, the schedules of the template, and the
// deletion of items whose time to live is over.
package schedule

import (
	"sync"
	"time"
)

// Clock is real time plus an offset. The zero value is real time.
type Clock struct {
	mu     sync.Mutex
	offset time.Duration
}

// NewClock is ahead of real time by an offset; a negative one is behind.
func NewClock(offset time.Duration) *Clock { return &Clock{offset: offset} }

// Now is the stack's time.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Offset()) }

// Offset is how far the clock is ahead of real time; less than zero, behind.
func (c *Clock) Offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

func (c *Clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}
