package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/client"
	"github.com/ingestd/ingestd/transport"
)

// sendCommand sends messages from files, standard input or nowhere.
type sendCommand struct {
	URL      string   `default:"ws://127.0.0.1:7001/ws" help:"Where the daemon listens."`
	Token    string   `placeholder:"TOKEN" env:"INGEST_TOKEN" help:"For a server that asks for one. Command lines can be seen by every user of the machine: better put it into the environment."`
	CA       string   `placeholder:"FILE" help:"The roots that the server's certificate is held against, PEM. Otherwise those of the system."`
	Cert     string   `placeholder:"FILE" help:"A certificate to show to the server, PEM."`
	Key      string   `placeholder:"FILE" help:"Its private key, PEM."`
	Client   string   `placeholder:"NAME" help:"Who numbers the messages. With the name and numbers of an earlier run, what is stored already is not stored again. Otherwise a random one."`
	ID       string   `placeholder:"ID" help:"The input holds bare payloads, each JSON value one, for this id."`
	File     []string `short:"f" placeholder:"FILE" sep:"none" help:"Read this file instead of the standard input. Repeatable."`
	Files    []string `arg:"" optional:"" name:"file" help:"Files to read instead of the standard input."`
	Generate int      `placeholder:"N" help:"Send N messages that are made up."`
	IDs      int      `name:"ids" default:"100" placeholder:"N" help:"Of how many ids those are."`
	Size     int      `default:"150" placeholder:"BYTES" help:"How large their payloads are."`

	Timeout time.Duration `placeholder:"DURATION" help:"Give up after so long, as SIGINT does. Otherwise it goes on until all is acked."`

	stdin io.Reader     // nil: the process's
	grace time.Duration // how long acks are waited for after a signal; 0: lastWait
}

// lastWait is how long acks are waited for after a signal.
const lastWait = 5 * time.Second

// Help implements kong's HelpProvider.
func (*sendCommand) Help() string {
	return "The input is JSON, as the daemon takes it: messages one after the other, one a line or not, or in " +
		"arrays; a number that a message has is kept. Files of undelivered messages are recognised, and brought " +
		"back to the daemon that wrote them, with the numbers that they have. It waits until everything is acked, " +
		"over lost connections too: that is when it is stored, or where the daemon has ack = \"spooled\", when it is in the " +
		"spool; SIGINT and --timeout stop that. Exit status: 0 all is acked, 1 something was refused, " +
		"not acked or not read, 2 the input is not JSON or the command line is wrong, 3 the daemon cannot be reached."
}

// sending is one run of the command.
type sending struct {
	client  *client.Client
	show    *display
	sent    atomic.Int64 // messages that the client took
	refused atomic.Int64 // by the server
	unfit   atomic.Int64 // what was no message, and was not sent
}

func (c *sendCommand) Run(a *app) error {
	if err := c.check(); err != nil {
		return wrong(err)
	}
	ctx, signals := watchSignals(context.Background(), hclog.NewNullLogger())
	defer signals.stop()
	return c.send(ctx, a.stderr)
}

func (c *sendCommand) check() error {
	c.Files = append(c.File, c.Files...)
	switch {
	case c.Generate < 0:
		return fmt.Errorf("--generate must be positive, not %d", c.Generate)
	case c.Generate > 0 && len(c.Files) > 0:
		return errors.New("--generate makes messages up: it reads no files")
	case c.Timeout < 0:
		return fmt.Errorf("--timeout must be positive, not %v", c.Timeout)
	case c.IDs < 1:
		return fmt.Errorf("--ids must be at least 1, not %d", c.IDs)
	case c.Size < 0:
		return fmt.Errorf("--size must not be negative, not %d", c.Size)
	case (c.Cert == "") != (c.Key == ""):
		return errors.New("--cert and --key belong together")
	}
	for _, name := range c.Files {
		if _, err := os.Stat(name); err != nil {
			return err
		}
	}
	return nil
}

// send connects, sends everything and waits for the answers. ctx ends with a
// signal.
func (c *sendCommand) send(ctx context.Context, stderr io.Writer) error {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	s := &sending{show: newDisplay(stderr, c.Generate)}
	log := hclog.New(&hclog.LoggerOptions{Output: s.show, Level: hclog.Warn, DisableTime: true})
	var header http.Header
	if c.Token != "" {
		header = http.Header{"Authorization": {"Bearer " + c.Token}}
	}
	over, err := c.overTLS()
	if err != nil {
		return wrong(err)
	}
	s.client, err = client.Dial(ctx, c.URL, client.Options{
		Name:       c.Client,
		Header:     header,
		HTTPClient: over,
		Logger:     log,
		Refused: func(r client.Refusal) {
			s.refused.Add(1)
			s.show.line("refused: id %s seq %d: %s: %s", r.ID, r.Seq, r.Code, r.Text)
		},
	})
	switch {
	case errors.Is(err, client.ErrOptions):
		return wrong(err)
	case err != nil:
		return outside(fmt.Errorf("connect to %s: %w", c.address(), err))
	}

	began := time.Now()
	stop := s.show.watch(s)
	fed := make(chan error, 1)
	go func() { fed <- c.feed(ctx, s) }()
	select {
	case err = <-fed:
	case <-ctx.Done():
		// Nothing ends a read from a terminal: whoever reads there is left behind.
		err = ctx.Err()
		select {
		case err = <-fed:
		default:
		}
	}
	var unacked *client.UnackedError
	closed := s.close(ctx, c.grace)
	stop()
	errors.As(closed, &unacked)
	if err != nil && ctx.Err() != nil {
		s.show.line("interrupted: not all of the input was sent")
	}
	s.summary(unacked, time.Since(began))
	return s.verdict(ctx, err, closed)
}

// address is the URL as it may be shown: there may be a token in the query.
func (c *sendCommand) address() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "the server"
	}
	u.RawQuery = ""
	return u.Redacted()
}

// overTLS gives what connects with these certificates; nil where there are none.
func (c *sendCommand) overTLS() (*http.Client, error) {
	if c.CA == "" && c.Cert == "" {
		return nil, nil
	}
	config, err := (&transport.ClientTLSConfig{CA: c.CA, Cert: c.Cert, Key: c.Key}).Load()
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config}}, nil
}

// close waits for the answers: as long as it takes, or, once ctx has ended, a
// little.
func (s *sending) close(ctx context.Context, grace time.Duration) error {
	if grace == 0 {
		grace = lastWait
	}
	patient, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(patient, func() { timer.Stop() })
	})()
	return s.client.Close(patient)
}

// verdict is how the command ends.
func (s *sending) verdict(ctx context.Context, fed, closed error) error {
	var e *exitError
	switch {
	case errors.As(fed, &e):
		return fed
	case fed != nil && ctx.Err() == nil:
		return fed
	case fed != nil, closed != nil, s.refused.Load() > 0, s.unfit.Load() > 0:
		return &exitError{exitFailed, errLogged} // told already
	}
	return nil
}

// refuse tells of what is no message, and is not sent.
func (s *sending) refuse(at fmt.Stringer, why error) {
	s.unfit.Add(1)
	s.show.line("refused: %s: bad_message: %v", at, why)
}

// feed sends what there is to send.
func (c *sendCommand) feed(ctx context.Context, s *sending) error {
	if c.Generate > 0 {
		return c.generate(ctx, s)
	}
	if len(c.Files) == 0 {
		in := c.stdin
		if in == nil {
			in = os.Stdin
		}
		return c.read(ctx, s, "standard input", in)
	}
	for _, name := range c.Files {
		f, err := os.Open(name)
		if err != nil {
			return wrong(err)
		}
		err = c.read(ctx, s, name, f)
		_ = f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// take hands a message to the client. at is where it stands in the input.
func (s *sending) take(ctx context.Context, m client.Message, at fmt.Stringer) error {
	err := s.client.Send(ctx, m)
	switch {
	case err == nil:
		s.sent.Add(1)
	case errors.Is(err, client.ErrMessage):
		s.refuse(at, err)
		return nil
	}
	return err
}
