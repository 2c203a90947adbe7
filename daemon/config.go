package daemon

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/daemon/internal/admin"
	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/engine"
)

// config is a whole configuration.
type config struct {
	core
	sink       sinkConfig
	transports []transportConfig

	origins  hclx.Origins   // where its values came from
	warnings []hclx.Warning // of what is not wrong, and hardly meant
	mistakes error          // of what does not matter to who has read it; nil: there are none
}

// core is what does not belong to a plugin. What has a tag "live" can change while
// the daemon runs.
type core struct {
	DataDir         string        `hcl:"data_dir,optional"`
	ShutdownTimeout time.Duration `hcl:"shutdown_timeout,optional" live:"true"`

	Log      logConfig      `hcl:"log,block"`
	Router   routerConfig   `hcl:"router,block" live:"true"`
	Delivery deliveryConfig `hcl:"delivery,block"`
	Admin    adminConfig    `hcl:"admin,block"`
}

type logConfig struct {
	Level  string `hcl:"level,optional" live:"true"`
	Format string `hcl:"format,optional"`
}

type routerConfig struct {
	BatchSize   int           `hcl:"batch_size,optional"`
	BatchBytes  engine.Size   `hcl:"batch_bytes,optional"`
	BatchWait   time.Duration `hcl:"batch_wait,optional"`
	IdleTimeout time.Duration `hcl:"idle_timeout,optional"`
	MaxStreams  int           `hcl:"max_streams,optional"`
	MaxPending  engine.Size   `hcl:"max_pending,optional"`
	WhenFull    string        `hcl:"when_full,optional"`
}

type deliveryConfig struct {
	Spool    bool          `hcl:"spool,optional"`
	SpoolMax engine.Size   `hcl:"spool_max,optional"`
	RetryMin time.Duration `hcl:"retry_min,optional" live:"true"`
	RetryMax time.Duration `hcl:"retry_max,optional" live:"true"`
}

type adminConfig struct {
	Listen string        `hcl:"listen,optional"`
	Token  engine.Secret `hcl:"token,optional" live:"true"`
	Hosts  []string      `hcl:"hosts,optional" live:"true"`
}

// access is whom the admin server lets in.
func (c *adminConfig) access() admin.Access { return admin.Access{Token: c.Token, Hosts: c.Hosts} }

// sinkConfig is the chosen sink with its settings.
type sinkConfig struct {
	sinkKind
	config any
}

// transportConfig is one transport block with its settings.
type transportConfig struct {
	transportKind
	label  string // the block's second label; empty where it has none
	config any
}

// path is how --set names the transport.
func (t transportConfig) path() string { return transportPath(t.name, t.label) }

func transportPath(kind, label string) string {
	path := "transport." + kind
	if label != "" {
		path += "." + label
	}
	return path
}

// The values of router.when_full and of log.format.
const (
	whenFullBlock  = "block"
	whenFullReject = "reject"
	formatText     = "text"
	formatJSON     = "json"
)

func defaultCore() core {
	o := engine.DefaultOptions()
	return core{
		DataDir:         "ingest-data",
		ShutdownTimeout: o.ShutdownTimeout,
		Log:             logConfig{Level: "info", Format: formatText},
		Router: routerConfig{
			BatchSize:   o.BatchSize,
			BatchBytes:  o.BatchBytes,
			BatchWait:   o.BatchWait,
			IdleTimeout: o.IdleTimeout,
			MaxStreams:  o.MaxStreams,
			MaxPending:  o.MaxPending,
			WhenFull:    whenFullBlock,
		},
		Delivery: deliveryConfig{SpoolMax: 10 * engine.GiB, RetryMin: o.RetryMin, RetryMax: o.RetryMax},
		Admin:    adminConfig{Listen: "127.0.0.1:7002", Hosts: []string{}},
	}
}

// engineOptions are those of the engine, but for its logger.
func (c *config) engineOptions() engine.Options {
	o := engine.DefaultOptions()
	o.DataDir = c.DataDir
	o.ShutdownTimeout = c.ShutdownTimeout
	o.BatchSize = c.Router.BatchSize
	o.BatchBytes = c.Router.BatchBytes
	o.BatchWait = c.Router.BatchWait
	o.IdleTimeout = c.Router.IdleTimeout
	o.MaxStreams = c.Router.MaxStreams
	o.MaxPending = c.Router.MaxPending
	o.RejectWhenFull = c.Router.WhenFull == whenFullReject
	o.RetryMin = c.Delivery.RetryMin
	o.RetryMax = c.Delivery.RetryMax
	if c.Delivery.Spool {
		// The spool turns senders away, and keeps what is not stored; each of the two
		// has half of the time of a drain.
		o.RejectWhenFull, o.LeaveUndelivered = false, true
		o.ShutdownTimeout -= o.ShutdownTimeout / 2
	}
	if c.sink.config != nil {
		if n, ok := hclx.Get[int](c.sink.config, "writers"); ok {
			o.Writers = n
		}
		if n, ok := hclx.Get[int](c.sink.config, "group_size"); ok {
			o.GroupSize = n
		}
	}
	return o
}

// enginePlaces says under which names the configuration has the engine's options,
// but for "writers" and "group_size", which are the sink's.
var enginePlaces = map[string]string{
	"batch_size":       "router.batch_size",
	"batch_bytes":      "router.batch_bytes",
	"batch_wait":       "router.batch_wait",
	"idle_timeout":     "router.idle_timeout",
	"max_streams":      "router.max_streams",
	"max_pending":      "router.max_pending",
	"retry_min":        "delivery.retry_min",
	"retry_max":        "delivery.retry_max",
	"shutdown_timeout": "shutdown_timeout",
}

// validate reports every fault of the core's own settings, joined, as
// [engine.OptionError]s.
func (c *core) validate() error {
	var errs []error
	check := func(ok bool, option, format string, args ...any) {
		if !ok {
			errs = append(errs, &engine.OptionError{Option: option, Problem: fmt.Sprintf(format, args...)})
		}
	}
	oneOf := func(option, value string, allowed ...string) {
		check(slices.Contains(allowed, value), option, "must be one of %s, not %q", strings.Join(allowed, ", "), value)
	}
	check(c.DataDir != "", "data_dir", "must name a directory")
	oneOf("log.level", c.Log.Level, logLevels...)
	oneOf("log.format", c.Log.Format, formatText, formatJSON)
	oneOf("router.when_full", c.Router.WhenFull, whenFullBlock, whenFullReject)
	check(c.Delivery.SpoolMax > 0, "delivery.spool_max", "must be at least 1B, not %v", c.Delivery.SpoolMax)
	if c.Admin.Listen != "" {
		_, port, err := net.SplitHostPort(c.Admin.Listen)
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		check(err == nil, "admin.listen", `must be an address and a port like 127.0.0.1:7002, or "" for none, not %q`, c.Admin.Listen)
	}
	check(c.Admin.Token == "" || adminToken.MatchString(string(c.Admin.Token)),
		"admin.token", "must have 16 to 512 letters, digits or signs, and no space")
	for _, host := range c.Admin.Hosts {
		check(adminHost.MatchString(host), "admin.hosts", "must be names like ingest.example.com, without a port, not %q", host)
	}
	check(len(c.Admin.Hosts) == 0 || c.Admin.Token != "", "admin.hosts", "needs a token: set admin.token")
	return errors.Join(errs...)
}

// logLevels are the values of log.level.
var logLevels = []string{"trace", "debug", "info", "warn", "error"}

// A token that can be guessed is none.
var (
	adminToken = regexp.MustCompile(`^[!-~]{16,512}$`)
	adminHost  = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$`)
)

// level is the log level, as hclog has it.
func (c *core) level() hclog.Level { return hclog.LevelFromString(c.Log.Level) }

// secrets lists every secret of the configuration.
func (c *config) secrets() []string {
	found := hclx.Secrets(&c.core)
	if c.sink.config != nil { // as it is where mistakes do not matter
		found = append(found, c.sink.secrets(c.sink.config)...)
	}
	for _, t := range c.transports {
		found = append(found, t.secrets(t.config)...)
	}
	return found
}
