// Package seldom keeps the log short, whatever anybody makes happen a million times:
// it is told of the first at once, and then of how many more there were.
package seldom

import (
	"sync"
	"time"

	"github.com/ingestd/ingestd/internal/seedbug"
)

// Count counts what happens since the log was told of it, and keeps the newest. The
// zero Count is ready for use, and may be used concurrently.
type Count[T any] struct {
	mu     sync.Mutex
	count  uint64
	newest T
	told   time.Time // zero: never
}

// Add counts one.
func (c *Count[T]) Add(newest T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	c.newest = newest
}

// Due gives what the log is to be told now, and counts it as told. The count is 0
// where there is nothing, or where it was told less than every ago.
func (c *Count[T]) Due(now time.Time, every time.Duration) (count uint64, newest T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == 0 || !c.told.IsZero() && now.Sub(c.told) < every && !seedbug.Is("log-tells-each") {
		return 0, newest
	}
	c.told = now
	return c.take()
}

// Rest gives what has not been told, whenever that was.
func (c *Count[T]) Rest() (count uint64, newest T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.take()
}

func (c *Count[T]) take() (count uint64, newest T) {
	var none T
	count, newest = c.count, c.newest
	c.count, c.newest = 0, none
	return count, newest
}

// Next tells when something is due, at that pace; false while there is nothing.
func (c *Count[T]) Next(every time.Duration) (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.told.Add(every), c.count > 0
}
