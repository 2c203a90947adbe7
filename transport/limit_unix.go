//go:build unix

package transport

import "syscall"

// openFiles is how many files the process may have open. Go has raised the limit
// to the hard one. 0: it cannot be told.
func openFiles() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), 1<<30)) //nolint:unconvert // it is signed on some systems
}
