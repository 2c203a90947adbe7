package admin

import (
	"testing"
	"time"
)

// An address that was never wrong does not wait; one that was has ten tries at once,
// and one more each six seconds.
func TestFails(t *testing.T) {
	var f fails
	now := time.Now()
	const wrong, other = "10.0.0.1:4000", "10.0.0.2:4000"
	for n := range 10 {
		if got := f.wait(wrong, now); got != 0 {
			t.Errorf("after %d it waits %v", n, got)
		}
		f.add(wrong, now)
	}
	if got := f.wait("10.0.0.1:5000", now); got != failEvery {
		t.Errorf("it waits %v", got)
	}
	if got := f.wait(wrong, now.Add(failEvery)); got != 0 {
		t.Errorf("later it waits %v", got)
	}
	if got := f.wait(other, now); got != 0 {
		t.Errorf("another one waits %v", got)
	}
}
