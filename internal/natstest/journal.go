package natstest

import (
	"bytes"
	"sync"

	"github.com/hashicorp/go-hclog"
)

// Journal is a log that can be read while it is written. The zero Journal is empty.
type Journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *Journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *Journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// Logger writes everything to j.
func (j *Journal) Logger() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: j, Level: hclog.Trace})
}
