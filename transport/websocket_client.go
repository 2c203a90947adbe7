package transport

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// WebSocketClient takes messages from feeds: from websocket servers, which it
// connects to, again and again. Make it with [DialWebSocket].
//
// A feed is told nothing of what becomes of its messages. They have no Client;
// their Remote is the feed's host, and their Sender the transport's name. While
// there is no room the feed is not read. A message that cannot be taken is counted
// and told to the log, and costs nothing but itself. The end of a connection ends no
// stream; what a feed sent while there was none, it sends again or not.
type WebSocketClient struct {
	config WebSocketClientConfig
	log    hclog.Logger
	feeds  []*feed
	sender feedSender
	stats  feedCounters
	stable time.Duration // how long a connection lasts that is no failure

	serving atomic.Bool
	router  engine.Router   // set by Serve
	ctx     context.Context // ends when the drain begins
}

var _ engine.Transport = (*WebSocketClient)(nil)

// stableAfter is how long a connection must last for the next wait to be the
// shortest again.
const stableAfter = 10 * time.Second

// DialWebSocket validates c, and looks at the files that it names. It connects to
// nothing before Serve is called.
func DialWebSocket(c WebSocketClientConfig) (*WebSocketClient, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if _, err := c.TLS.Load(); err != nil {
		return nil, err
	}
	w := &WebSocketClient{config: c, log: c.Logger, stable: stableAfter}
	w.sender.stats = &w.stats
	if w.log == nil {
		w.log = hclog.NewNullLogger()
	}
	ops := feedOps(c.Ops)
	mapping := c.Decode.compile(ops)
	for _, text := range c.URL {
		u, _ := parseFeed(string(text))
		w.feeds = append(w.feeds, &feed{
			ws:      w,
			url:     string(text),
			host:    u.Host,
			log:     w.log.With("feed", u.Host),
			decoder: newDecoder(ops).with(mapping),
		})
	}
	return w, nil
}

// URL is where the feeds are, without what may be secret of it: a key may be in the
// path as well as in the query.
func (w *WebSocketClient) URL() string {
	var urls []string
	for _, f := range w.feeds {
		u, _ := parseFeed(f.url)
		urls = append(urls, u.Scheme+"://"+u.Host)
	}
	return strings.Join(urls, ", ")
}

// Close is for one that is never served: there is nothing to do.
func (w *WebSocketClient) Close() error { return nil }

// Serve implements [engine.Transport]. Nothing that happens to a feed ends it, only
// ctx. Then the connections are closed at once, since their feeds are told nothing,
// and it waits until what was accepted is settled.
func (w *WebSocketClient) Serve(ctx context.Context, r engine.Router) error {
	if w.serving.Swap(true) {
		return errors.New("a WebSocketClient serves only once")
	}
	w.router, w.ctx = r, ctx
	var feeds sync.WaitGroup
	for _, f := range w.feeds {
		feeds.Go(f.run)
	}
	feeds.Wait()
	w.sender.pending.Wait()
	return nil
}

// feedSender is what the router has of all feeds: it counts what is not settled.
type feedSender struct {
	pending sync.WaitGroup
	stats   *feedCounters
}

var _ engine.Producer = (*feedSender)(nil)

// Spooled tells nobody.
func (s *feedSender) Spooled([]engine.Message) {}

// Settled tells nobody: the engine itself keeps and logs what is refused.
func (s *feedSender) Settled(ms []engine.Message, _ engine.Result, err error) {
	if engine.IsPermanent(err) {
		code := codeRejected
		if errors.Is(err, engine.ErrConflict) {
			code = codeConflict
		}
		for range ms {
			s.stats.failed(code)
		}
	}
	s.pending.Add(-len(ms))
}

// WebSocketClientStats are a WebSocketClient's counters, since it was made, and
// gauges, as they are now.
type WebSocketClientStats struct {
	Feeds     int               // there are
	Connected int               // of them now
	Connects  uint64            // connections that were opened
	Failures  uint64            // attempts that failed
	Lost      uint64            // connections that ended before the drain
	Frames    uint64            // that were received
	Messages  uint64            // that the router accepted
	Errors    map[string]uint64 // messages that were not taken, by the code of an error answer; every code that there can be is there
}

// feedCodes are those that messages of a feed can be counted by.
var feedCodes = errorCodes[:5]

// feedCounters are what Stats is made of.
type feedCounters struct {
	connected atomic.Int64

	connects, failures, lost, frames, messages atomic.Uint64

	errorCounters
}

// Stats may be called at any time.
func (w *WebSocketClient) Stats() WebSocketClientStats {
	return WebSocketClientStats{
		Feeds:     len(w.feeds),
		Connected: int(w.stats.connected.Load()),
		Connects:  w.stats.connects.Load(),
		Failures:  w.stats.failures.Load(),
		Lost:      w.stats.lost.Load(),
		Frames:    w.stats.frames.Load(),
		Messages:  w.stats.messages.Load(),
		Errors:    w.stats.byCode(feedCodes),
	}
}
