package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// lockName is the file that is locked while a spool is open. It names the process.
const lockName = "lock"

// lock keeps everybody else out. The lock is gone with the process, however that
// ends; the file stays.
func (d osDir) lock() (io.Closer, error) {
	path := d.path(lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer func() { _ = f.Close() }()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is in use by another process%s", d, holder(f))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close())
	}
	return f, nil
}

// holder tells who holds a lock.
func holder(f *os.File) string {
	text, _ := io.ReadAll(io.LimitReader(f, 32))
	if pid := strings.TrimSpace(string(text)); pid != "" {
		return ": " + pid
	}
	return ""
}
