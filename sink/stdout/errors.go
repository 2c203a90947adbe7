package stdout

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/ingestd/ingestd/engine"
)

// classify marks what only an operator can mend: nobody reads the pipe any more,
// or the output is closed. A full disk and the like passes.
func classify(err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("write: %w", err)
	for _, gone := range []error{syscall.EPIPE, io.ErrClosedPipe, os.ErrClosed, syscall.EBADF} {
		if errors.Is(err, gone) {
			return engine.Blocked(err)
		}
	}
	return err
}
