//go:build !linux

package spool

// Preallocate does nothing here: a segment grows as it is written.
func (f osFile) Preallocate(int64) error { return nil }
