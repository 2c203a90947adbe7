package daemon

import "syscall"

// fewFiles is a limit of open files at which a server soon runs out of them.
const fewFiles = 4096

// openFiles is how many files the process may have open. Go has raised the limit
// to the hard one. 0: it cannot be told.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return limit.Cur
}
