package stdout

import (
	"errors"
	"fmt"
	"io"

	"github.com/ingestd/ingestd/engine"
)

// Config says in what form to write. Start from [DefaultConfig].
type Config struct {
	// Format is "json": one JSON object a line.
	Format string `hcl:"format,optional"`

	// Output is where to write; nil: the standard output. It is closed by nobody.
	Output io.Writer `hcl:"-"`
}

// DefaultConfig is that of a sink block without attributes.
func DefaultConfig() Config { return Config{Format: "json"} }

// Validate reports every fault at once, each as an [engine.OptionError], joined.
func (c Config) Validate() error {
	var errs []error
	if c.Format != "json" {
		errs = append(errs, &engine.OptionError{Option: "format", Problem: fmt.Sprintf("must be \"json\", not %q", c.Format)})
	}
	return errors.Join(errs...)
}
