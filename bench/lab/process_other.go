//go:build !linux

package lab

import (
	"errors"
	"syscall"
	"time"
)

// errLinux says where the benchmarks can be run.
var errLinux = errors.New("the benchmarks look at processes as only Linux shows them")

// CPUTime works on Linux only.
func CPUTime(int) (time.Duration, error) { return 0, errLinux }

// PeakMemory works on Linux only.
func PeakMemory(int) (int64, error) { return 0, errLinux }

// DieWithUs asks for nothing here.
func DieWithUs() *syscall.SysProcAttr { return nil }
