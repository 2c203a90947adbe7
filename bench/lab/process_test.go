package lab

import (
	"os"
	"testing"
	"time"
)

// What the machine says of a process is read.
func TestUsage(t *testing.T) {
	begun := time.Now()
	for n := time.Duration(0); n == 0; {
		var err error
		if n, err = CPUTime(os.Getpid()); err != nil {
			t.Skip(err) // not Linux
		}
		if n > time.Duration(64)*time.Since(begun)+time.Minute {
			t.Fatal(n)
		}
	}
	if peak, err := PeakMemory(os.Getpid()); err != nil || peak < 1<<20 {
		t.Errorf("%d bytes, %v", peak, err)
	}
	if n, err := CPUTime(0); n != 0 || err != nil {
		t.Error("no process takes time")
	}
}
