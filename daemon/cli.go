package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/alecthomas/kong"
	"github.com/hashicorp/go-hclog"

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
	Send          sendCommand        `cmd:"" help:"Send messages from files, standard input or nowhere, and wait until they are stored."`
	DeadLetters   deadLettersCommand `cmd:"" name:"dead-letters" help:"Look at what the sink refused for good; send it again, or discard it."`
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

// source is where the configuration comes from.
type source struct {
	Config string   `short:"c" placeholder:"FILE" env:"INGESTD_CONFIG" help:"Configuration file. Otherwise ./config.hcl where it exists, otherwise the defaults"`
	Set    []string `placeholder:"PATH=VALUE" sep:"none" help:"Override one value, like router.batch_size=50 or sink=stdout. Repeatable."`
}

// defaultFile is read where no other is named, neither by --config nor by the
// environment.
const (
	defaultFile = "config.hcl"
	configEnv   = "INGESTD_CONFIG"
)

// read finds the configuration, and the name it has in messages.
func (s *source) read() (name string, text []byte, err error) {
	name = s.Config
	if name == "" {
		name = defaultFile
	}
	text, err = os.ReadFile(name)
	if s.Config == "" && errors.Is(err, fs.ErrNotExist) {
		return "the defaults", nil, nil
	}
	if err != nil {
		from := ""
		if s.Config != "" && s.Config == os.Getenv(configEnv) {
			from = " that $" + configEnv + " names"
		}
		return "", nil, wrong(fmt.Errorf("read the configuration%s: %w", from, err))
	}
	return name, text, nil
}

// load reads and validates the configuration.
func (s *source) load(p *plugins) (cfg *config, name string, err error) {
	name, text, err := s.read()
	if err != nil {
		return nil, "", err
	}
	cfg, err = p.load(name, text, s.Set)
	if err != nil {
		return nil, "", wrong(err)
	}
	return cfg, name, nil
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
	limitMemory(log.Logger, memlimit.FromCgroup)
	ctx, signals := watchSignals(context.Background(), log.Logger)
	defer signals.stop()
	d := &daemon{
		cfg: cfg, source: name, log: log,
		hup:  signals.hup,
		load: func() (*config, error) { cfg, _, err := c.load(a.plugins); return cfg, err },
	}
	if err := d.run(ctx); err != nil {
		log.Error("stopped by an error", "error", hclx.Redact(err.Error(), cfg.secrets()...))
		return &exitError{statusOf(err), errLogged}
	}
	return nil
}

type checkCommand struct {
	source  `embed:""`
	Connect bool `help:"Open the sink, too. One that makes its tables or its file makes them."`
}

// Help implements kong's HelpProvider.
func (*checkCommand) Help() string {
	return "Prints every setting, secrets masked, and the most memory that the configuration can take."
}

func (c *checkCommand) Run(a *app) error {
	cfg, name, err := c.load(a.plugins)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "# The configuration in effect: %s\n\n%s\n%s", c.origin(name), cfg.hcl(), cfg.memory(openFiles()))
	if !c.Connect {
		return nil
	}
	ctx, signals := watchSignals(context.Background(), hclog.NewNullLogger())
	defer signals.stop()
	sink, err := cfg.sink.open(ctx, cfg.sink.config, hclog.NewNullLogger())
	if err == nil {
		fmt.Fprintf(a.stdout, "\n# The sink can be written: %s\n", sink)
		err = sink.Close()
	}
	if err != nil {
		return outside(errors.New(hclx.Redact(fmt.Sprintf("open sink %s: %v", cfg.sink.name, err), cfg.secrets()...)))
	}
	return nil
}

// origin tells where the settings come from.
func (s *source) origin(name string) string {
	if len(s.Set) > 0 {
		name += " and --set"
	}
	return name
}

type exampleCommand struct{}

func (*exampleCommand) Run(a *app) error {
	_, err := io.WriteString(a.stdout, ingestd.ExampleConfig())
	return err
}
