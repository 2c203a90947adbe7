package daemon

import (
	"io"
	"sync"

	"github.com/hashicorp/go-hclog"
)

// logger is the daemon's log. Its level can change.
type logger struct {
	hclog.Logger
	always hclog.Logger // the same log at level info, whatever the level is
}

func newLogger(c core, out io.Writer) *logger {
	options := hclog.LoggerOptions{
		Name:       "ingestd",
		Level:      c.level(),
		Output:     out,
		Mutex:      &sync.Mutex{}, // one for both: lines are written whole
		JSONFormat: c.Log.Format == formatJSON,
	}
	log := hclog.New(&options)
	options.Level = hclog.Info
	return &logger{log, hclog.New(&options)}
}
