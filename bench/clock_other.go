//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

// errLinux says where the benchmarks can be run.
var errLinux = errors.New("the benchmarks look at processes as only Linux shows them")

func cpuTime(int) (time.Duration, error) { return 0, errLinux }
func peakMemory(int) (int64, error)      { return 0, errLinux }
func diesWithUs() *syscall.SysProcAttr   { return nil }
