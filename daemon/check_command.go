package daemon

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

type checkCommand struct {
	source  `embed:""`
	Connect bool `help:"Open the sink, and what reads a stream of NATS, too. A sink that makes its tables, its file or its stream makes them."`
}

// Help implements kong's HelpProvider.
func (*checkCommand) Help() string {
	return "Prints every setting with where it comes from, secrets masked, and the most memory that " +
		"the configuration can take. Files of tokens and certificates are looked into."
}

func (c *checkCommand) Run(a *app) error {
	cfg, name, err := c.loadBy(a.plugins.check)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "# The configuration in effect: %s\n", origin(name, cfg.origins))
	for _, w := range cfg.warnings {
		fmt.Fprintf(a.stdout, "# Warning: %v\n", w)
	}
	fmt.Fprintf(a.stdout, "\n%s\n%s", cfg.hclWithOrigins(), cfg.memory(openFiles()))
	if !c.Connect {
		return nil
	}
	ctx, signals := watchSignals(context.Background(), hclog.NewNullLogger())
	defer signals.stop()
	err = cfg.connect(ctx, func(format string, args ...any) {
		fmt.Fprintf(a.stdout, "\n# "+format+"\n", args...)
	})
	if err != nil {
		return outside(errors.New(hclx.Redact(err.Error(), cfg.secrets()...)))
	}
	return nil
}

// origin tells where the settings come from.
func origin(name string, from hclx.Origins) string {
	if from.FromEnvironment() {
		name += ", the environment"
	}
	if from.FromSets() {
		name += " and --set"
	}
	return name
}
