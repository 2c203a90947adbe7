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

// What a data directory is locked for.
const (
	asDaemon   = ""
	asReplayer = "replays dead letters"
)

var (
	// errInUse is in the error of lockDir where another process holds the lock.
	errInUse = errors.New("is in use by another ingestd")
	// errReplaying is besides, where that one locked it asReplayer.
	errReplaying = fmt.Errorf("%w, which %s", errInUse, asReplayer)
)

// lockDir makes the data directory, where it is missing, and locks it for this
// process, for a purpose.
func lockDir(dir, purpose string) (release func() error, err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make data_dir: %w", err)
	}
	f, err := filelock.Take(filepath.Join(dir, lockName), purpose)
	if used, is := errors.AsType[*filelock.InUseError](err); is {
		holder := "process " + used.Holder
		if used.Holder == "" {
			holder = "it does not say which process"
		}
		why := errInUse
		if used.Purpose == asReplayer {
			why = errReplaying
		}
		return nil, fmt.Errorf("data_dir %s %w (%s)", dir, why, holder)
	}
	if err != nil {
		return nil, fmt.Errorf("lock data_dir: %w", err)
	}
	return f.Close, nil
}
