package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ingestd/ingestd/internal/filelock"
)

// lockName is the file in the data directory that its daemon holds locked.
const lockName = "lock"

// errInUse is in the error of lockDir where another process holds the lock.
var errInUse = errors.New("is in use by another ingestd")

// lockDir makes the data directory, where it is missing, and locks it for this
// process.
func lockDir(dir string) (release func() error, err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make data_dir: %w", err)
	}
	f, err := filelock.Take(filepath.Join(dir, lockName))
	if used, is := errors.AsType[*filelock.InUseError](err); is {
		holder := "process " + used.Holder
		if used.Holder == "" {
			holder = "it does not say which process"
		}
		return nil, fmt.Errorf("data_dir %s %w (%s)", dir, errInUse, holder)
	}
	if err != nil {
		return nil, fmt.Errorf("lock data_dir: %w", err)
	}
	return f.Close, nil
}
