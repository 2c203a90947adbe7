package daemon

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/internal/child"
	"github.com/ingestd/ingestd/internal/drill"
	"github.com/ingestd/ingestd/sink/mysql"
	"github.com/ingestd/ingestd/sink/sqlite"
)

type drillCommand struct {
	source `embed:""`

	Kills    int           `default:"10" help:"End the daemon with kill -9 at least so many times."`
	Duration time.Duration `help:"Go on for at least so long."`
	Messages int64         `help:"Go on until at least so many messages are acked."`
	Spool    bool          `help:"Turn the spool on, and ack what is in it."`
	Clients  int           `default:"8" help:"Clients that have a name, number their messages, and send again what was not acked. One without a name is beside them."`
	IDs      int           `name:"ids" default:"100" help:"Ids that all of them send to."`
	Rate     int           `help:"Messages a second, all together. 0: as many as the daemon takes."`
	MinAcked int64         `default:"1000" help:"With fewer acked messages, the drill is void."`
	Seed     uint64        `help:"Make the choices of an earlier drill again."`
	JSON     bool          `name:"json" help:"Print the verdict as JSON."`
	Keep     bool          `help:"Keep the tables, and the files."`

	Serve string `hidden:"" help:"Be the daemon of a drill."`
}

// Help implements kong's HelpProvider.
func (*drillCommand) Help() string {
	return "Starts a daemon of its own on a temporary directory and a free port, puts load on it, ends it with " +
		"kill -9 at random moments, starts it again, and at last compares what the database holds with what was " +
		"sent and acked. The settings are those of the configuration, but for its transports, data_dir, " +
		"admin.listen, a longer shutdown_timeout, and the tables: for MySQL and MariaDB these are new ones beside your own, and dropped " +
		"afterwards; for SQLite they are in a new file. SIGINT ends it early, with a verdict.\n\n" +
		"Exit status: 0 only where nothing was lost, duplicated, out of order, altered or unexpected, and " +
		"enough was acked, before and after each kill, to prove something."
}

func (c *drillCommand) validate() error {
	for _, x := range []struct {
		flag string
		n    int64
		min  int64
	}{
		{"kills", int64(c.Kills), 1},
		{"duration", int64(c.Duration), 0},
		{"messages", c.Messages, 0},
		{"clients", int64(c.Clients), 1},
		{"ids", int64(c.IDs), 1},
		{"rate", int64(c.Rate), 0},
		{"min-acked", c.MinAcked, 1},
	} {
		if x.n < x.min {
			return wrong(fmt.Errorf("--%s must be at least %d", x.flag, x.min))
		}
	}
	return nil
}

func (c *drillCommand) Run(a *app) error {
	if c.Serve != "" {
		return c.serve(a)
	}
	if err := c.validate(); err != nil {
		return err
	}
	if c.Spool {
		c.Set = append(c.Set, "delivery.spool=true")
	}
	cfg, name, err := c.load(a.plugins)
	if err != nil {
		return err
	}
	ctx, signals := watchSignals(context.Background(), hclog.NewNullLogger())
	defer signals.stop()
	fmt.Fprintf(a.stderr, "drill: the configuration is that of %s\n", origin(name, cfg.origins))
	report, err := c.drill(ctx, cfg, a.stderr)
	if err != nil {
		return &exitError{drillStatus(err), errors.New(hclx.Redact(err.Error(), cfg.secrets()...))}
	}
	for _, texts := range [][]string{report.Problems, report.Void} {
		for i := range texts {
			texts[i] = hclx.Redact(texts[i], cfg.secrets()...)
		}
	}
	if c.JSON {
		out := json.NewEncoder(a.stdout)
		out.SetIndent("", "  ")
		err = out.Encode(report)
	} else {
		err = report.Write(a.stdout)
	}
	if err == nil && !report.OK {
		err = &exitError{exitFailed, errLogged}
	}
	return err
}

// drillStatus is the status of a drill that could not begin: that of its daemon,
// where this did not start.
func drillStatus(err error) int {
	if ended, ok := errors.AsType[*child.EndedError](err); ok && ended.Status > 0 {
		return ended.Status
	}
	return statusOf(err)
}

// drill makes what a drill needs, runs it, and takes it away again.
func (c *drillCommand) drill(ctx context.Context, cfg *config, stderr io.Writer) (report *drill.Report, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ingestd-drill-")
	if err != nil {
		return nil, outside(err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if !c.Keep {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	run := drill.Run(strings.ToLower(rand.Text()[:10]))
	place := drillPlace{
		Dir: dir, Spool: cfg.Delivery.Spool,
		Messages: "ingest_drill_messages_" + string(run), Streams: "ingest_drill_streams_" + string(run),
	}
	tables, err := place.tables(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tables.Close()) }()
	if !c.Keep {
		defer func() {
			// The verdict stands without that.
			if e := tables.Drop(context.WithoutCancel(ctx)); e != nil {
				fmt.Fprintf(stderr, "drill: the tables are left: %s\ndrill: a user with the rights DROP and DELETE takes them away by\n%s",
					hclx.Redact(e.Error(), cfg.secrets()...), place.drops())
			}
		}()
	}
	log, err := os.Create(filepath.Join(dir, "ingestd.log"))
	if err != nil {
		return nil, outside(err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()

	seed := c.Seed
	if seed == 0 {
		seed = mrand.Uint64()
	}
	report, err = drill.Drill(ctx, drill.Config{
		LoadConfig: drill.LoadConfig{
			Run: run, Seed: seed, Named: c.Clients, Nameless: 1, IDs: c.IDs, Rate: c.Rate,
		},
		Launch: func(listen string) (*child.Daemon, error) {
			args, err := c.args(place, listen)
			if err != nil {
				return nil, err
			}
			return child.Start(child.Command{Path: program, Args: args, Log: log})
		},
		Tables: tables, Kills: c.Kills, Duration: c.Duration, Messages: c.Messages, MinAcked: c.MinAcked,
		Progress: func(format string, args ...any) { fmt.Fprintf(stderr, "drill: "+format+"\n", args...) },
	})
	if report != nil {
		report.Sink, report.Spool = cfg.sink.name, place.Spool
		if c.Keep {
			report.Kept = dir
		}
	}
	return report, err
}

// args are those of the daemon.
func (c *drillCommand) args(place drillPlace, listen string) ([]string, error) {
	place.Listen = listen
	text, err := json.Marshal(place)
	if err != nil {
		return nil, err
	}
	args := []string{"drill", "--serve=" + string(text)}
	if c.Config != "" {
		args = append(args, "--config="+c.Config)
	}
	for _, s := range c.Set {
		args = append(args, "--set="+s)
	}
	return args, nil
}

// drillPlace is where the daemon of a drill is put, whatever its configuration
// says. It is no secret: whoever lists the processes sees it.
type drillPlace struct {
	Dir      string `json:"dir"`
	Listen   string `json:"listen"`
	Messages string `json:"messages"` // the tables of a sink that has names for them
	Streams  string `json:"streams"`
	Spool    bool   `json:"spool"`
}

// tables opens the tables for the judge.
func (p *drillPlace) tables(ctx context.Context, cfg *config) (*drill.Tables, error) {
	var tables *drill.Tables
	var err error
	switch s := cfg.sink.config.(type) {
	case *sqlite.Config:
		tables, err = drill.OpenSQLite(p.sqlite())
	case *mysql.Config:
		if s.StreamsTable == "" {
			p.Streams = ""
		}
		tables, err = drill.OpenMySQL(ctx, string(s.DSN), p.Messages, p.Streams)
	default:
		return nil, wrong(fmt.Errorf("a drill reads back what is stored: it needs the sink mysql or sqlite, not %s", cfg.sink.name))
	}
	if err != nil {
		return nil, outside(fmt.Errorf("open sink %s: %w", cfg.sink.name, err))
	}
	return tables, nil
}

// drops are the statements that take the tables away.
func (p *drillPlace) drops() string {
	tables := p.Messages
	if p.Streams != "" {
		tables += ", " + p.Streams
	}
	return fmt.Sprintf("  DROP TABLE IF EXISTS %s;\n  DELETE FROM ingest_meta WHERE name = '%s';\n", tables, p.Messages)
}

func (p *drillPlace) sqlite() string { return filepath.Join(p.Dir, "ingest.db") }

// apply puts a daemon there.
func (p *drillPlace) apply(cfg *config) {
	cfg.DataDir = filepath.Join(p.Dir, "data")
	cfg.Log.Format = formatText
	cfg.Admin.Listen = ""
	cfg.Delivery.Spool = p.Spool
	cfg.ShutdownTimeout = max(cfg.ShutdownTimeout, drill.DrainTimeout)
	switch s := cfg.sink.config.(type) {
	case *sqlite.Config:
		s.Path = p.sqlite()
	case *mysql.Config:
		s.CreateTables, s.MessagesTable, s.StreamsTable = true, p.Messages, p.Streams
	}
}
