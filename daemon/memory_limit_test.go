package daemon

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/hashicorp/go-hclog"
)

func TestMemoryLimit(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	const cgroup = 10 << 30
	for _, c := range []struct {
		name, environment string
		provider          memlimit.Provider
		limit             int64
		log               string
	}{
		{"nine tenths of the cgroup's", "", memlimit.Limit(cgroup), cgroup / 10 * 9, "[INFO]  memory limit is set"},
		{"the environment's stands", "3GiB", memlimit.Limit(cgroup), math.MaxInt64, "GOMEMLIMIT=3GiB"},
		{"no limit", "", func() (uint64, error) { return 0, memlimit.ErrNoLimit }, math.MaxInt64, "[DEBUG] memory is not limited"},
		{"no cgroup", "", func() (uint64, error) { return 0, memlimit.ErrNoCgroup }, math.MaxInt64, "[DEBUG] memory is not limited"},
		{"no /proc", "", func() (uint64, error) { return 0, fs.ErrNotExist }, math.MaxInt64, "[DEBUG] memory is not limited"},
		{"no way to tell", "", func() (uint64, error) { return 0, errors.New("denied") }, math.MaxInt64, "[WARN]  memory limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			debug.SetMemoryLimit(math.MaxInt64)
			t.Setenv("GOMEMLIMIT", c.environment) // the old value comes back at the end
			if c.environment == "" {
				_ = os.Unsetenv("GOMEMLIMIT")
			}
			var out bytes.Buffer
			limitMemory(hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: &out}), c.provider)
			if limit := debug.SetMemoryLimit(-1); limit != c.limit {
				t.Errorf("the limit is %d, not %d", limit, c.limit)
			}
			if !strings.Contains(out.String(), c.log) || strings.Count(out.String(), "\n") != 1 {
				t.Errorf("the log is %q, without %q", out.String(), c.log)
			}
		})
	}
}
