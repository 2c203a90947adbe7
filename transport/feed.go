package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seldom"
)

// feed is one of the servers that a WebSocketClient connects to. Its run goroutine
// connects, reads, decodes and routes; a second one watches each connection.
type feed struct {
	ws      *WebSocketClient
	url     string // a secret
	host    string
	log     hclog.Logger
	decoder *decoder
	buf     []byte
	faults  seldom.Count[feedFault]

	failed int // connections in a row that did not last, or were not made
}

// run connects again and again, until the drain begins.
func (f *feed) run() {
	ctx := f.ws.ctx
	for ctx.Err() == nil {
		began, opened := time.Now(), false
		err := f.connect(ctx, func() { opened = true })
		f.tellFaults(f.faults.Rest()) // the last ones too, with the connection that they came over
		if ctx.Err() != nil {
			return
		}
		lasted := opened && time.Since(began) >= f.ws.stable
		if lasted {
			f.failed = 0
		}
		wait := f.backoff()
		if f.failed++; opened {
			f.ws.stats.lost.Add(1)
		} else {
			f.ws.stats.failures.Add(1)
		}
		// The first of several is a warning; of the others the recovery tells.
		level := hclog.Debug
		if f.failed == 1 {
			level = hclog.Warn
		}
		f.log.Log(level, "feed is not connected", "error", hclog.Quote(err.Error()), "again-in", wait.Round(time.Millisecond))
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// backoff is how long to wait before the next attempt: a random time, so that the
// clients of a server that was down do not all come back at once.
func (f *feed) backoff() time.Duration {
	most := f.ws.config.RetryMin
	for i := 0; i < f.failed && most < f.ws.config.RetryMax; i++ {
		most *= 2
	}
	return rand.N(min(most, f.ws.config.RetryMax))
}

// connect makes a connection and serves it to its end. It calls opened in between.
func (f *feed) connect(ctx context.Context, opened func()) error {
	c, err := f.dial(ctx)
	if err != nil {
		return err
	}
	opened()
	f.ws.stats.connects.Add(1)
	f.ws.stats.connected.Add(1)
	defer f.ws.stats.connected.Add(-1)
	f.log.Info("feed is connected", "attempts", f.failed+1)

	var watch sync.WaitGroup
	stop := make(chan struct{})
	watch.Go(func() { c.watch(ctx, stop, &watch) })
	err = c.read(ctx)
	close(stop)
	if ctx.Err() == nil {
		c.socket.cut()
	}
	_ = c.conn.CloseNow()
	watch.Wait()
	return err
}

// feedConn is one connection to a feed.
type feedConn struct {
	feed   *feed
	conn   *websocket.Conn
	socket *feedSocket
	reader *feedReader
	busy   atomic.Bool // a frame is in hand, and nothing is read
}

// dial connects, and subscribes.
func (f *feed) dial(ctx context.Context) (*feedConn, error) {
	config := &f.ws.config
	ctx, cancel := context.WithTimeout(ctx, config.ConnectTimeout)
	defer cancel()
	tlsConfig, err := config.TLS.Load()
	if err != nil {
		return nil, err
	}
	var socket atomic.Pointer[feedSocket]
	flood := &feedReader{}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        tlsConfig,
		MaxResponseHeaderBytes: 64 << 10,
		DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
			// The transport's own context may outlive ours.
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			s := &feedSocket{Conn: conn}
			if socket.Store(s); ctx.Err() != nil {
				s.cut() // nobody waits any more
			}
			return s, nil
		},
	}
	defer transport.CloseIdleConnections()
	headers := http.Header{"User-Agent": {"ingestd"}}
	for _, h := range config.Headers {
		headers.Set(h.Name, string(h.Value))
	}
	conn, resp, err := websocket.Dial(ctx, f.url, &websocket.DialOptions{ //nolint:bodyclose // the library closes it
		HTTPClient: &http.Client{
			Transport: feedTransport{transport, flood},
			// The headers are for the host that is configured.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		HTTPHeader:      headers,
		Subprotocols:    config.Subprotocols,
		CompressionMode: websocket.CompressionDisabled,
		OnPingReceived:  flood.ping,
	})
	if err != nil {
		cancel()
		if s := socket.Load(); s != nil {
			s.cut() // what goes on behind the library's back ends with it
		}
		return nil, dialError(resp, err)
	}
	conn.SetReadLimit(-1) // readFrame has the limit
	c := &feedConn{feed: f, conn: conn, socket: socket.Load(), reader: flood}
	c.socket.heard.Store(time.Now().UnixNano())
	for _, text := range config.Subscribe {
		if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			_ = conn.CloseNow()
			return nil, fmt.Errorf("subscribe: %w", err)
		}
	}
	return c, nil
}

// dialError takes out of an error of the library what may be a secret: the URL of the
// feed, and where a proxy was looked for, since a password that is not escaped well
// is taken for a part of that.
func dialError(resp *http.Response, err error) error {
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("the server answers %s", resp.Status)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		reason := op.Err
		if dial, ok := errors.AsType[*net.OpError](reason); ok {
			reason = dial.Err
		}
		if dns, ok := errors.AsType[*net.DNSError](reason); ok {
			reason = errors.New(dns.Err)
		}
		return fmt.Errorf("connect to the proxy that the environment names: %w", reason)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return err
}

// read routes the messages of one frame after the other, until the connection or
// ctx ends.
func (c *feedConn) read(ctx context.Context) error {
	for {
		// A context that can end would cost three times as much: the connection is
		// closed from outside.
		_, r, err := c.conn.Reader(context.Background())
		if err != nil {
			return err
		}
		c.feed.ws.stats.frames.Add(1)
		frame, err := c.feed.readFrame(r, &c.reader.reading)
		switch {
		case errors.Is(err, errFrameTooLarge):
			c.feed.fault(codeBadMessage, fmt.Sprintf("the frame is larger than max_message_size, %v", c.feed.ws.config.MaxMessageSize))
			continue
		case err != nil:
			return err
		case ctx.Err() != nil:
			continue // what comes until the connection is closed
		}
		c.busy.Store(true)
		if !c.feed.route(ctx, frame) {
			<-ctx.Done() // the router takes nothing more
		}
		c.socket.heard.Store(time.Now().UnixNano())
		c.busy.Store(false)
	}
}

// readFrame reads a frame, and leaves out one that is too large.
func (f *feed) readFrame(r io.Reader, on *reading) ([]byte, error) {
	on.begin()
	limit := int(f.ws.config.MaxMessageSize)
	if cap(f.buf) == 0 || cap(f.buf) > keepFrame {
		f.buf = make([]byte, 0, 4<<10)
	}
	for f.buf = f.buf[:0]; ; {
		if len(f.buf) == cap(f.buf) {
			grown := make([]byte, len(f.buf), min(2*cap(f.buf), limit+512))
			copy(grown, f.buf)
			f.buf = grown
		}
		space := f.buf[len(f.buf):min(cap(f.buf), limit+1)]
		n, err := on.read(r, space)
		f.buf = f.buf[:len(f.buf)+n]
		switch {
		case len(f.buf) > limit:
			for err == nil {
				_, err = on.read(r, f.buf[:cap(f.buf)])
			}
			if !errors.Is(err, io.EOF) {
				return nil, err
			}
			on.end()
			return nil, errFrameTooLarge
		case errors.Is(err, io.EOF):
			on.end()
			return f.buf, nil
		case err != nil:
			return nil, err
		}
	}
}

// route routes the messages of a frame, in their order. It returns false where
// nothing more is to be routed.
func (f *feed) route(ctx context.Context, frame []byte) bool {
	now := time.Now().UTC()
	template := engine.Message{Received: now, Remote: f.host, Sender: f.ws.config.Name}
	d := f.decoder
	d.reset(frame, utf8.Valid(frame))
	defer d.release()
	var m incoming
	for d.next(&m) {
		if m.fault != "" {
			f.fault(m.fault, m.text)
			continue
		}
		msg := template
		msg.ID, msg.Op, msg.Code, msg.Data, msg.Time = m.id.id, m.op.name, m.code, m.data, m.time
		if msg.Time.IsZero() {
			msg.Time = now
		}
		if m.op.kind == kindDone {
			msg.Kind = engine.Done
			if f.ws.config.Holds != nil {
				f.ws.config.Holds.done(msg.ID)
			}
		}
		if !f.accept(ctx, msg) {
			return false
		}
	}
	return true
}

// The waits for room where the router does not wait itself.
const (
	leastPause = 5 * time.Millisecond
	mostPause  = time.Second
)

// accept hands a message to the router. It returns false where nothing more is to
// be routed. Nobody would send again what the router has no room for now: so that is
// waited for.
func (f *feed) accept(ctx context.Context, msg engine.Message) bool {
	for pause := leastPause; ; pause = min(2*pause, mostPause) {
		f.ws.sender.pending.Add(1)
		err := f.ws.router.Route(ctx, msg, &f.ws.sender)
		if err == nil {
			f.ws.stats.messages.Add(1)
			return true
		}
		f.ws.sender.pending.Done()
		code, retry := codeOf(err)
		switch {
		case code == "":
			return false
		case !retry:
			f.fault(code, err.Error())
			return true
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
}

// fault counts a message that was not taken. The log is told once a minute and at the
// end of the connection, and at level trace each time.
func (f *feed) fault(code, text string) {
	f.ws.stats.failed(code)
	if f.log.IsTrace() {
		f.log.Trace("a message is not taken", "code", code, "error", hclog.Quote(text))
	}
	f.faults.Add(feedFault{code, text})
	f.tellFaults(f.faults.Due(time.Now(), awayPace))
}

// feedFault is why a message was not taken.
type feedFault struct{ code, text string }

func (f *feed) tellFaults(count uint64, newest feedFault) {
	if count > 0 {
		f.log.Warn("messages of the feed are not taken", "count", count, "code", newest.code, "error", hclog.Quote(newest.text))
	}
}

// watch pings the feed, and ends a connection on which it is silent, or when the
// drain begins.
func (c *feedConn) watch(ctx context.Context, stop <-chan struct{}, group *sync.WaitGroup) {
	config := &c.feed.ws.config
	var tick <-chan time.Time
	if config.PingInterval > 0 {
		every := min(config.PingInterval, config.PingTimeout) / 4
		t := time.NewTicker(min(max(every, 5*time.Millisecond), 250*time.Millisecond))
		defer t.Stop()
		tick = t.C
	}
	next, sent := time.Now().Add(config.PingInterval), int64(0)
	for {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			c.reader.closing.Store(true)
			_ = c.socket.SetDeadline(time.Now().Add(time.Second))
			_ = c.conn.Close(websocket.StatusGoingAway, "the client is shutting down")
			return
		case now := <-tick:
			switch {
			case c.busy.Load():
				sent = 0 // the answer may be in the socket
				continue
			case c.socket.heard.Load() >= sent:
				sent = 0
			case now.UnixNano()-sent >= int64(config.PingTimeout):
				c.socket.silent.Store(true)
				c.socket.cut()
				return
			}
			if sent != 0 || now.Before(next) {
				continue
			}
			next, sent = now.Add(config.PingInterval), now.UnixNano()
			group.Go(func() {
				// Whether it is answered is seen by what is heard.
				ctx, cancel := context.WithTimeout(ctx, config.PingTimeout)
				defer cancel()
				_ = c.conn.Ping(ctx)
			})
		}
	}
}

// feedSocket is the network connection below a connection to a feed.
type feedSocket struct {
	net.Conn
	heard  atomic.Int64 // when something was last received, Unix nanoseconds
	silent atomic.Bool  // it was cut for that
}

func (s *feedSocket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if n > 0 {
		s.heard.Store(time.Now().UnixNano())
	}
	if err != nil && s.silent.Load() {
		err = errSilent
	}
	return n, err
}

// feedReader is what the library reads from, above TLS: it ends a connection on which
// too much comes that is no data, as a server does.
type feedReader struct {
	io.ReadWriteCloser
	reading reading // of who reads messages, until closing
	closing atomic.Bool
}

func (r *feedReader) Read(p []byte) (int, error) {
	if r.closing.Load() {
		return r.ReadWriteCloser.Read(p)
	}
	if r.reading.wasted(time.Now().UnixNano()) {
		return 0, errFlood
	}
	n, err := r.ReadWriteCloser.Read(p)
	r.reading.waste += n
	return n, err
}

// ping tells the library whether it is to answer a ping.
func (r *feedReader) ping(context.Context, []byte) bool {
	return r.reading.ping(time.Now().UnixNano())
}

// feedTransport puts a feedReader below the library.
type feedTransport struct {
	http.RoundTripper
	reader *feedReader
}

func (t feedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if conn, ok := resp.Body.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		t.reader.ReadWriteCloser = conn
		resp.Body = t.reader
	}
	return resp, nil
}

// errSilent is why a connection is given up whose feed answers no ping.
var errSilent = errors.New("it answers no ping")

// cut ends the connection at once.
func (s *feedSocket) cut() { _ = s.Close() }
