package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/mysql"
	sinknats "github.com/ingestd/ingestd/sink/nats"
	"github.com/ingestd/ingestd/sink/sqlite"
	"github.com/ingestd/ingestd/sink/stdout"
	"github.com/ingestd/ingestd/transport"
	"github.com/ingestd/ingestd/transport/nats"
)

// builtin is the table of the plugins that every ingestd has. The first of each
// kind is what an empty configuration means.
func builtin() []Option {
	return []Option{
		WithSink("sqlite", sqlite.DefaultConfig, sqlite.Open),
		WithSink("mysql", mysql.DefaultConfig, mysql.Open),
		WithSink("stdout", stdout.DefaultConfig, stdout.Open),
		WithSink("nats", sinknats.DefaultConfig, sinknats.Open),

		WithTransport("websocket", defaultWebSocket, listenWebSocket),
		WithTransport("http", defaultHTTP, listenHTTP),
		WithTransport("websocket_client", transport.DefaultWebSocketClientConfig, dialWebSocket),
		WithTransport("nats", nats.DefaultConfig, readNATS),
	}
}

// webSocketConfig is that of a websocket server in a daemon, which needs a port:
// nobody brings requests to one without.
type webSocketConfig transport.WebSocketConfig

func defaultWebSocket() webSocketConfig { return webSocketConfig(transport.DefaultWebSocketConfig()) }

func (c webSocketConfig) Validate() error {
	return errors.Join(needsPort(c.Listen), transport.WebSocketConfig(c).Validate())
}

func needsPort(listen string) error {
	if listen != "" {
		return nil
	}
	return &engine.OptionError{
		Option: "listen", Problem: "must be an address and a port like 127.0.0.1:7001: without one nobody could connect",
	}
}

// webSocket is a websocket server whose Update takes the settings of a daemon.
type webSocket struct{ *transport.WebSocket }

func (w webSocket) Update(c webSocketConfig) error {
	return w.WebSocket.Update(transport.WebSocketConfig(c))
}

var _ Updater[webSocketConfig] = webSocket{}

func listenWebSocket(_ context.Context, c webSocketConfig, h Host) (webSocket, error) {
	c.Logger, c.Holds, c.RestoreToken = h.Logger, h.Holds, h.RestoreToken
	w, err := transport.ListenWebSocket(transport.WebSocketConfig(c))
	return webSocket{w}, err
}

// httpConfig is that of an HTTP server in a daemon, which needs a port too.
type httpConfig transport.HTTPConfig

func defaultHTTP() httpConfig { return httpConfig(transport.DefaultHTTPConfig()) }

func (c httpConfig) Validate() error {
	return errors.Join(needsPort(c.Listen), transport.HTTPConfig(c).Validate())
}

// httpServer is an HTTP server whose Update takes the settings of a daemon.
type httpServer struct{ *transport.HTTP }

func (h httpServer) Update(c httpConfig) error { return h.HTTP.Update(transport.HTTPConfig(c)) }

var _ Updater[httpConfig] = httpServer{}

func listenHTTP(_ context.Context, c httpConfig, h Host) (httpServer, error) {
	c.Logger, c.Holds = h.Logger, h.Holds
	s, err := transport.ListenHTTP(transport.HTTPConfig(c))
	return httpServer{s}, err
}

func dialWebSocket(_ context.Context, c transport.WebSocketClientConfig, h Host) (*transport.WebSocketClient, error) {
	c.Name, c.Logger, c.Holds = h.Name, h.Logger, h.Holds
	return transport.DialWebSocket(c)
}

// Host is what the daemon shares with a transport.
type Host struct {
	Name   string // of the block: its second label, or where it has none its first
	Logger hclog.Logger
	Holds  *transport.Holds // one for all transports

	// RestoreToken is what proves that a message was accepted by this daemon before:
	// see transport.WebSocketConfig.
	RestoreToken engine.Secret
}

// Config is what the settings of a plugin are: a struct whose fields have hcl
// tags. Beside strings, numbers, bools and lists they may be time.Duration,
// [engine.Size] and [engine.Secret]; a field tagged "-" cannot be configured.
// Tagged as "name,block", a struct or a pointer to one is a block, and a slice of
// structs are blocks with a label, which is the field tagged "name,label". An
// embedded struct lends its fields.
type Config interface {
	// Validate reports every fault at once, each as an [engine.OptionError],
	// joined.
	Validate() error
}

// FileChecker is a Config that can look into the files that it names before anything
// is opened: "ingestd check" does. Faults are files that cannot be used, doubts what
// is worth a warning; both are [engine.OptionError]s, joined.
type FileChecker interface {
	CheckFiles() (faults, doubts error)
}

// Sink is a sink that says where it writes, without secrets.
type Sink interface {
	engine.Sink
	fmt.Stringer
}

// Transport is a transport that says where it listens, or what it connects to. Close is called instead of
// Serve where the daemon does not come to serve it.
type Transport interface {
	engine.Transport
	URL() string
	Close() error
}

// Updater is a transport of which settings can change while it runs: those whose
// field has the tag live:"true". Update puts them into effect, and reads again what
// files they name; the other settings are as they were. After an error nothing has
// changed. It is called while Serve runs.
type Updater[C Config] interface {
	Update(c C) error
}

// Option adds to what a daemon can do.
type Option func(*plugins)

// WithSink adds a kind of sink: sink "name" in the configuration. Defaults gives
// its settings before the configuration is read, Open opens it; ctx ends when the
// daemon is to stop. The int settings "writers" and "group_size", where it has them,
// say how many goroutines call its Write, and how many messages each call has at most.
func WithSink[C Config, S Sink](
	name string, defaults func() C, open func(context.Context, C, hclog.Logger) (S, error),
) Option {
	return func(p *plugins) {
		p.sinks = append(p.sinks, sinkKind{
			kind: kindOf(name, defaults),
			open: func(ctx context.Context, config any, log hclog.Logger) (Sink, error) {
				return open(ctx, *config.(*C), log)
			},
		})
	}
}

// WithTransport adds a kind of transport: transport "name" in the configuration.
// Listen binds what it needs and starts nothing; ctx ends when the daemon is to
// stop. What the transport can change while it runs, an [Updater] says.
func WithTransport[C Config, T Transport](
	name string, defaults func() C, listen func(context.Context, C, Host) (T, error),
) Option {
	return func(p *plugins) {
		p.transports = append(p.transports, transportKind{
			kind: kindOf(name, defaults),
			listen: func(ctx context.Context, config any, h Host) (Transport, error) {
				return listen(ctx, *config.(*C), h)
			},
			update: updaterOf[C, T](),
			reads:  reads[T](),
		})
	}
}

// updaterOf gives what calls Update, nil where T has none.
func updaterOf[C Config, T Transport]() func(t Transport, config any) error {
	var t T
	if _, ok := any(t).(Updater[C]); !ok {
		return nil
	}
	return func(t Transport, config any) error { return t.(Updater[C]).Update(*config.(*C)) }
}

// kind is what a sink and a transport have in common: a name and settings, which
// are a pointer to the plugin's own struct.
type kind struct {
	name     string
	defaults func() any
	validate func(config any) error
	files    func(config any) (faults, doubts error) // looks into the files that it names
}

func (k kind) kindName() string { return k.name }

// known are the values of secrets that everybody knows: its defaults.
func (k kind) known() []string { return hclx.Secrets(k.defaults()) }

// secrets are those in a configuration that nobody knows.
func (k kind) secrets(config any) []string {
	known := k.known()
	return slices.DeleteFunc(hclx.Secrets(config), func(s string) bool { return slices.Contains(known, s) })
}

func kindOf[C Config](name string, defaults func() C) kind {
	return kind{
		name:     name,
		defaults: func() any { c := defaults(); return &c },
		validate: func(config any) error { return (*config.(*C)).Validate() },
		files: func(config any) (faults, doubts error) {
			if c, ok := any(*config.(*C)).(FileChecker); ok {
				return c.CheckFiles()
			}
			return nil, nil
		},
	}
}

type sinkKind struct {
	kind
	open func(context.Context, any, hclog.Logger) (Sink, error)
}

type transportKind struct {
	kind
	listen func(context.Context, any, Host) (Transport, error)
	update func(t Transport, config any) error // nil: nothing of it changes while it runs
	reads  bool                                // a stream of NATS
}

type plugins struct {
	sinks      []sinkKind
	transports []transportKind
}

// newPlugins makes the table. Two plugins of one name are a mistake in the build.
func newPlugins(opts []Option) (*plugins, error) {
	p := &plugins{}
	for _, opt := range append(builtin(), opts...) {
		opt(p)
	}
	seen := map[string]bool{}
	check := func(block, name string) error {
		id := fmt.Sprintf("%s %q", block, name)
		if !validLabel(name) {
			return fmt.Errorf("%s: a plugin's name has letters, digits, - and _ only", id)
		}
		if seen[id] {
			return fmt.Errorf("two plugins of this build are %s", id)
		}
		seen[id] = true
		return nil
	}
	for _, k := range p.sinks {
		if err := check("sink", k.name); err != nil {
			return nil, err
		}
	}
	for _, k := range p.transports {
		if err := check("transport", k.name); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *plugins) sink(name string) (sinkKind, bool) {
	for _, k := range p.sinks {
		if k.name == name {
			return k, true
		}
	}
	return sinkKind{}, false
}

func (p *plugins) transport(name string) (transportKind, bool) {
	for _, k := range p.transports {
		if k.name == name {
			return k, true
		}
	}
	return transportKind{}, false
}
