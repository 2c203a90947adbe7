package spool

import (
	"errors"
	"os"
	"syscall"
)

// Sync writes no more of the file's metadata than is needed to read it.
func (f osFile) Sync() error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// Preallocate lets later writes change neither the file's size nor, on most file
// systems, its map of blocks, so that their syncs are cheaper and a full disk shows
// before they are begun.
func (f osFile) Preallocate(size int64) error {
	for {
		err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return nil
		}
		return os.NewSyscallError("fallocate", err)
	}
}
