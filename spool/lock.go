package spool

import (
	"fmt"
	"io"

	"github.com/ingestd/ingestd/internal/filelock"
)

// lockName is the file that is locked while a spool is open. It names the process.
const lockName = "lock"

// lock keeps everybody else out.
func (d osDir) lock() (io.Closer, error) {
	f, err := filelock.Take(d.path(lockName), "")
	if err != nil {
		return nil, fmt.Errorf("%s %w", d, err)
	}
	return f, nil
}
