// Package filelock keeps two processes from using the same files.
package filelock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// InUseError says that another process holds the lock.
type InUseError struct {
	Holder  string // its number; empty where the file does not say
	Purpose string // as it told Take
}

func (e *InUseError) Error() string {
	if e.Holder == "" {
		return "is in use by another process"
	}
	return "is in use by another process: " + e.Holder
}

// Take locks the file at path, which is made where it is missing, and writes the
// number of this process into it, and for what, where that is not empty. It does not wait: where another holds the lock the
// error is an [InUseError]. The lock is gone when the file is closed, or with the
// process, however that ends; the file stays.
func Take(path, purpose string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer func() { _ = f.Close() }()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		text, _ := io.ReadAll(io.LimitReader(f, 256))
		holder, purpose, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
		return nil, &InUseError{holder, purpose}
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(f, strings.TrimSpace(strconv.Itoa(os.Getpid())+" "+purpose))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
