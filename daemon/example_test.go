package daemon_test

import (
	"context"
	"fmt"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/daemon"
	"github.com/ingestd/ingestd/engine"
)

// MemoryConfig is the settings of a sink of one's own.
type MemoryConfig struct {
	Rows int `hcl:"rows,optional"`
}

// Validate says what is wrong with each setting; the daemon shows it at its place
// in the configuration.
func (c MemoryConfig) Validate() error {
	if c.Rows < 1 {
		return &engine.OptionError{Option: "rows", Problem: fmt.Sprintf("must be at least 1, not %d", c.Rows)}
	}
	return nil
}

// Memory is the sink.
type Memory struct{}

func (*Memory) Write(context.Context, []engine.Batch) ([]engine.Result, error) { return nil, nil }
func (*Memory) Close() error                                                   { return nil }
func (*Memory) String() string                                                 { return "memory" }

func openMemory(context.Context, MemoryConfig, hclog.Logger) (*Memory, error) { return &Memory{}, nil }

// A daemon with one more sink, which the configuration can name. Here it checks a
// configuration that is wrong, and says so on standard error:
//
//	--set sink.memory.rows=0: rows: must be at least 1, not 0
func ExampleWithSink() {
	status := daemon.Main([]string{"check", "--set", "sink.memory.rows=0"},
		daemon.WithSink("memory", func() MemoryConfig { return MemoryConfig{Rows: 1000} }, openMemory))
	fmt.Println("exit status", status)
	// Output: exit status 2
}
