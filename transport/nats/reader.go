package nats

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/internal/seldom"
)

// Reader is a transport whose messages come from a stream of JetStream, which sinks of
// package sink/nats fill. The Readers of a group share its partitions; see the
// package's documentation.
type Reader struct {
	config Config
	log    hclog.Logger
	pace   pace
	nc     *natsgo.Conn
	js     jetstream.JetStream
	open   sync.WaitGroup  // carriers of which something is accepted and not settled
	past   map[string]bool // the names of sessions that have ended; only Serve changes it, between two

	counts                           counts
	foreign, malformed, absent, anew seldom.Count[struct{}]

	mu      sync.Mutex
	session *session // nil: there is none
	waiting string   // what for
	trouble string   // why heartbeats fail
}

var _ engine.Transport = (*Reader)(nil)

// Open connects to NATS. That it cannot is an error. A stream that is missing is none:
// those who write it make it, and Serve waits for it.
func Open(ctx context.Context, c Config) (*Reader, error) { return open(ctx, c, usualPace) }

func open(ctx context.Context, c Config, pace pace) (*Reader, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	log := c.Logger
	if log == nil {
		log = hclog.NewNullLogger()
	}
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil || host == "" {
			host = "reader"
		}
		c.Name = asName(host)
	}
	nc, err := c.Dial(ctx, "ingestd transport nats "+c.Stream+" "+c.Name, log)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &Reader{config: c, log: log, pace: pace, nc: nc, js: js, past: make(map[string]bool)}, nil
}

// URL says which servers and which stream it reads, without secrets.
func (r *Reader) URL() string { return "nats " + r.config.Hosts() + " stream " + r.config.Stream }

// Close closes the connection of a Reader that is not served.
func (r *Reader) Close() error {
	r.nc.Close()
	return nil
}

// Serve implements [engine.Transport].
func (r *Reader) Serve(ctx context.Context, router engine.Router) error {
	defer r.nc.Close()
	// Messages of partitions that were lost may be among what is not settled.
	defer r.open.Wait()
	for told := ""; ctx.Err() == nil; {
		s, err := r.join(ctx, router)
		if err == nil {
			told = ""
			if err = s.run(ctx); err == nil {
				return nil
			}
			r.set(nil, err.Error())
			r.past[s.name] = true
			r.log.Warn("reading begins anew", "error", err)
		} else if ctx.Err() == nil {
			if text := err.Error(); text != told { // the first, and what is new
				told = text
				r.log.Warn("nothing is read yet", "error", err)
			}
			r.set(nil, err.Error())
		}
		pause(ctx, r.pace.wait)
	}
	return nil
}

// join opens the stream and the bucket, and gives a session for them.
func (r *Reader) join(ctx context.Context, router engine.Router) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*r.pace.request)
	defer cancel()
	stream, err := r.find(ctx)
	if err != nil {
		return nil, err
	}
	info := stream.CachedInfo()
	b, err := openBucket(ctx, r.js, info.Config, r.pace.request)
	if err != nil {
		return nil, err
	}
	s := &session{
		r: r, log: r.log, pace: r.pace, nc: r.nc, js: r.js, router: router, bucket: b,
		name:    r.config.Name + "." + random(),
		stream:  streamOf{r.config.Stream, stream.Subject, stream.Partitions, info.Created},
		failed:  make(chan error, 1),
		changed: make(chan struct{}, 1),
		groups:  make(map[string]*group),
		doubts:  make(map[int]doubt),
		owned:   make(map[int]*partition),
	}
	r.set(s, "")
	r.log.Info("reading a stream", "stream", r.config.Stream, "partitions", stream.Partitions, "group", r.config.Group, "reader", s.name)
	return s, nil
}

// find opens the stream.
func (r *Reader) find(ctx context.Context) (*jet.Stream, error) {
	stream, err := jet.OpenStream(ctx, r.js, r.config.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("there is no stream %q: it is made by the first ingestd that writes to it", r.config.Stream)
	}
	return stream, err
}

// Look returns what Serve would wait for: that there is no stream yet, or none that can
// be read. It changes nothing.
func (r *Reader) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*r.pace.request)
	defer cancel()
	_, err := r.find(ctx)
	return err
}

// random is a text that nobody else has.
func random() string { return strconv.FormatUint(rand.Uint64(), 36) }

func (r *Reader) set(s *session, waiting string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.session, r.waiting, r.trouble = s, waiting, ""
}

// beats notes how many heartbeats have failed in a row, and why.
func (r *Reader) beats(failing int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble = ""
	if failing > 1 {
		r.trouble = "heartbeats are not stored: " + err.Error()
	}
}

// The states of a Reader.
const (
	StateOK      = "ok"
	StateFailing = "failing"
	StateWaiting = "waiting"
)

// State says how the Reader is: "ok"; "waiting" for a stream that is not there yet or
// cannot be used; "failing", where it is not connected, its heartbeats are not
// stored, or a partition waits for a newer version. The detail says why, for an
// operator.
func (r *Reader) State() (state, detail string) {
	r.mu.Lock()
	s, waiting, trouble := r.session, r.waiting, r.trouble
	r.mu.Unlock()
	if !r.nc.IsConnected() {
		return StateFailing, "not connected to " + r.config.Hosts()
	}
	if waiting != "" {
		return StateWaiting, waiting
	}
	if trouble != "" {
		return StateFailing, trouble
	}
	if s != nil {
		newer := 0
		for _, p := range s.all() {
			if p.newer.Load() {
				newer++
			}
		}
		if newer > 0 {
			return StateFailing, fmt.Sprintf("%d partitions wait: they have carriers that a newer ingestd wrote; upgrade this one", newer)
		}
	}
	return StateOK, ""
}

// awayPace is how often the log is told of what may come with each message.
const awayPace = time.Minute

// tell tells the log of the first of many, and then how many more there were.
func (r *Reader) tell(c *seldom.Count[struct{}], level hclog.Level, text string, args ...any) {
	c.Add(struct{}{})
	if n, _ := c.Due(time.Now(), awayPace); n > 0 {
		r.log.Log(level, text, append([]any{"count", n}, args...)...)
	}
}
