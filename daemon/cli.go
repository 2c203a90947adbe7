package daemon

import (
	"context"
	"io"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/alecthomas/kong"

	"github.com/ingestd/ingestd"
	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

const description = `Takes messages over websocket and stores them in batches, one stream for each id,
without losing, doubling or reordering any. Sinks: ${sinks}. Transports: ${transports}.

Without a configuration it listens on ws://127.0.0.1:7001/ws and writes ingest.db:

  ingestd run
  ingestd run --config /etc/ingestd/config.hcl
  ingestd run --set sink=stdout --set router.batch_wait=1s
  ingestd example-config > config.hcl

Exit status: 0 fine, 1 it failed while running, 2 the command line or the configuration
is wrong, 3 something outside is missing (a port is taken, a database unreachable).`

// cli is the command line.
type cli struct {
	Run           runCommand         `cmd:"" default:"withargs" help:"Run the daemon. This is what happens without a command."`
	Check         checkCommand       `cmd:"" help:"Validate the configuration and show it as it takes effect."`
	ExampleConfig exampleCommand     `cmd:"" help:"Print the documented default configuration."`
	Drill         drillCommand       `cmd:"" help:"Kill a daemon under load, again and again, and judge what is stored."`
	Send          sendCommand        `cmd:"" help:"Send messages from files, standard input or nowhere, and wait until they are acked: stored, or spooled where the daemon acks that."`
	DeadLetters   deadLettersCommand `cmd:"" name:"dead-letters" help:"Look at what the sink refused for good; send it again, or discard it."`
	Status        statusCommand      `cmd:"" help:"Show how a running daemon is."`
	Tail          tailCommand        `cmd:"" help:"Follow messages as a running daemon accepts them."`
	Reload        reloadCommand      `cmd:"" help:"Make a running daemon read its configuration again."`
	LogLevel      levelCommand       `cmd:"" name:"log-level" help:"Set how much a running daemon logs."`
	Healthcheck   healthcheckCommand `cmd:"" help:"Ask a running daemon whether it is well, and tell it by the exit status."`
	Completion    completionCommand  `cmd:"" help:"Print the completion script of a shell."`
	Complete      completeCommand    `cmd:"" hidden:"" help:"What the completion scripts ask."`
	Version       versionCommand     `cmd:"" help:"Print the version."`

	VersionFlag kong.VersionFlag `name:"version" help:"Print the version."`
}

// app is what commands work with.
type app struct {
	plugins        *plugins
	stdout, stderr io.Writer
}

type runCommand struct {
	source `embed:""`
}

// Help implements kong's HelpProvider.
func (*runCommand) Help() string {
	return "SIGINT and SIGTERM drain: no more messages are taken, every stream is flushed, the last " +
		"answers are sent. A second one exits at once. SIGHUP reads the configuration again."
}

func (c *runCommand) Run(a *app) error {
	cfg, name, err := c.load(a.plugins)
	if err != nil {
		return err
	}
	log := newLogger(cfg.core, a.stderr)
	for _, w := range cfg.warnings {
		log.Warn("check the configuration", "at", w.Place, "problem", w.Text, "advice", w.Advice)
	}
	limitMemory(log.Logger, memlimit.FromCgroup)
	ctx, signals := watchSignals(context.Background(), log.Logger)
	defer signals.stop()
	d := &daemon{
		cfg: cfg, source: name, log: log,
		hup: signals.hup,
		// Files are looked into, too: where one of several transports could not take
		// its own, the others would have taken theirs.
		load: func() (*config, error) { cfg, _, err := c.loadBy(a.plugins.check); return cfg, err },
	}
	if err := d.run(ctx); err != nil {
		log.Error("stopped by an error", "error", hclx.Redact(err.Error(), cfg.secrets()...))
		return &exitError{statusOf(err), errLogged}
	}
	return nil
}

type exampleCommand struct{}

func (*exampleCommand) Run(a *app) error {
	_, err := io.WriteString(a.stdout, ingestd.ExampleConfig())
	return err
}
