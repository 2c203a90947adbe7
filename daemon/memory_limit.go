package daemon

import (
	"errors"
	"io/fs"
	"math"
	"os"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// limitMemory has the garbage collector keep below what the process may have: nine
// tenths of the limit of its cgroup, which is how containers and units are limited.
// Without it the heap grows to twice what is held, whatever may be had, and the
// kernel ends the process. $GOMEMLIMIT, where it is set, stands. provider tells the
// limit.
func limitMemory(log hclog.Logger, provider memlimit.Provider) {
	if text, set := os.LookupEnv("GOMEMLIMIT"); set {
		log.Debug("memory limit is that of the environment", "GOMEMLIMIT", text)
		return
	}
	limit, err := memlimit.Set(memlimit.WithProvider(provider))
	switch {
	case errors.Is(err, memlimit.ErrNoCgroup), errors.Is(err, memlimit.ErrCgroupsNotSupported), errors.Is(err, fs.ErrNotExist):
		log.Debug("memory is not limited: there is no cgroup")
	case err != nil:
		log.Warn("memory limit of the cgroup cannot be read: set GOMEMLIMIT", "error", err)
	case limit == math.MaxInt64:
		log.Debug("memory is not limited by a cgroup")
	default:
		log.Info("memory limit is set, to nine tenths of the cgroup's", "GOMEMLIMIT", human(engine.Size(limit)))
	}
}
