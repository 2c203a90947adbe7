package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Client sends messages to an ingest server, and sends them again until they are
// acked. Make it with [Dial]. Its methods may be called concurrently.
type Client struct {
	opts Options
	url  string // with the name
	name string
	http *http.Client
	log  hclog.Logger

	stop    context.CancelFunc // ends the goroutines
	stopped chan struct{}      // closed once they have ended
	wake    chan struct{}      // has a place: the writer looks again

	mu           sync.Mutex
	closed       bool
	streams      map[string]*stream
	streamsBusy  int // those that have messages
	count, bytes int // of the messages in the window
	settledCount uint64
	settled      []chan struct{} // of epochs, to be closed once the caller was told
	telling      bool            // the caller is being told
	epochs       []*epoch        // the last one is that of new messages
	stalled      bool            // a full window does not move: what was sent is to be flushed
	room         chan struct{}   // closed when there may be room; nil: nobody waits
	last         int64           // the last number that the client gave by itself
	ready        []*stream       // those that have something to send
	paused       []*stream       // those that are to be sent again later
	calling      map[*stream]struct{}
	asking       []*stream // those whose end was stored before its answer was lost
	frameBytes   int
	spare        [][]byte // memory of settled messages
	journal      *journal // nil without a File
}

// Dial connects to the server at url, like "ws://127.0.0.1:7001/ws". ctx is for
// the connecting only.
//
// It tries once. The error is a [*HandshakeError] where a server answers that is
// not to be used like this; otherwise there is none, or it cannot be reached. With
// [Options.Offline] it does not try, and the only errors are those of the options
// and of the File. Once Dial has returned a Client, that connects again whenever
// its connection is lost, for ever, until Close.
func Dial(ctx context.Context, url string, o Options) (*Client, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	c := &Client{
		opts:    o.withDefaults(),
		stopped: make(chan struct{}),
		wake:    make(chan struct{}, 1),
		streams: make(map[string]*stream),
		epochs:  []*epoch{{}},
		calling: make(map[*stream]struct{}),
	}
	c.name, c.log, c.frameBytes = c.opts.Name, c.opts.Logger, c.opts.FrameBytes
	if err := c.setURL(url); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	if o.File != "" {
		if err := c.openJournal(); err != nil {
			return nil, err
		}
	}
	if c.name == "" {
		c.name = rand.Text()
	}
	if err := c.setURL(url); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOptions, errors.Join(err, c.closeJournal()))
	}
	if c.http = c.opts.HTTPClient; c.http == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.DisableKeepAlives = true
		c.http = &http.Client{Transport: transport}
	}
	var l *link
	if !o.Offline {
		var err error
		if l, err = c.connect(ctx); err != nil {
			return nil, errors.Join(err, c.closeJournal())
		}
	}
	running, stop := context.WithCancel(context.Background())
	c.stop = stop
	go c.run(running, l)
	return c, nil
}

// setURL checks the URL, and puts the name into it; or takes it from there.
func (c *Client) setURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	if u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" {
		return fmt.Errorf("the URL must be like ws://127.0.0.1:7001/ws, not %q", u.Redacted())
	}
	q := u.Query()
	if q.Has("client") {
		if given := q.Get("client"); c.name == "" {
			c.name = given
		} else if given != c.name {
			return fmt.Errorf("the URL names the client %q, and Name is %q", given, c.name)
		}
	}
	if c.name == "" {
		return nil
	}
	q.Set("client", c.name)
	u.RawQuery = q.Encode()
	c.url = u.String()
	return nil
}

// Name is who numbers the messages.
func (c *Client) Name() string { return c.name }

// stall is how long a full window may not move before the server is asked to flush
// what it collects.
const stall = 100 * time.Millisecond

// Send takes m, whose memory is the caller's again when it returns. It blocks only
// while the window is full, and while the File is written; that it returned nil
// does not mean that m has been sent.
//
// On an error m was not taken: ctx's, [ErrClosed], one that wraps [ErrMessage], or
// one of the File. What becomes of m otherwise, Options.Acked and Options.Refused
// tell. Messages of one id are stored in the order of their numbers, which is that
// of the calls of Send, where one returned before the other began.
func (c *Client) Send(ctx context.Context, m Message) error {
	return c.send(ctx, m, nil)
}

var scratches = sync.Pool{New: func() any { return new([]byte) }}

func (c *Client) send(ctx context.Context, m Message, x *call) error {
	if err := m.check(); err != nil {
		return err
	}
	scratch := scratches.Get().(*[]byte)
	defer scratches.Put(scratch)
	open := m.appendOpen((*scratch)[:0])
	*scratch = open
	size := len(open) + len(`,"seq":4611686018427387903}`)

	c.mu.Lock()
	if err := c.waitForRoom(ctx, size); err != nil {
		c.mu.Unlock()
		return err
	}
	s := c.stream(m.ID)
	seq, err := c.number(s, m.Seq)
	if err != nil {
		c.mu.Unlock()
		return err
	}
	e := entry{seq: seq, body: appendSeq(append(c.alloc(size), open...), seq), call: x}
	if c.journal == nil {
		c.push(s, e)
		c.mu.Unlock()
		return nil
	}
	e.batch = c.journal.message(s.id, &e, m.Seq == 0)
	c.push(s, e)
	err = c.journal.commit(e.batch)
	if err != nil {
		c.withdraw(s, seq)
	} else {
		c.makeReady(s)
	}
	c.mu.Unlock()
	return err
}

// waitForRoom waits until size bytes fit into the window. It needs the lock, and
// lets go of it while it waits.
func (c *Client) waitForRoom(ctx context.Context, size int) error {
	if !c.closed && c.fits(size) {
		return ctx.Err()
	}
	timer := time.NewTimer(stall)
	defer timer.Stop()
	for !c.closed && !c.fits(size) {
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room, settled := c.room, c.settledCount
		c.mu.Unlock()
		var err error
		select {
		case <-room:
		case <-ctx.Done():
			err = ctx.Err()
		case <-timer.C:
		}
		c.mu.Lock()
		if err != nil {
			return err
		}
		if settled == c.settledCount && !c.closed {
			c.stalled = true
			c.wakeWriter()
		}
		timer.Reset(stall)
	}
	if c.closed {
		return ErrClosed
	}
	return nil
}

func (c *Client) fits(size int) bool {
	return c.count == 0 || c.count < c.opts.Window && c.bytes+size <= c.opts.WindowBytes
}

// number gives a message its number, or checks the one that it has.
func (c *Client) number(s *stream, given int64) (int64, error) {
	switch {
	case given == 0:
		c.last = max(c.last+1, time.Now().UnixMicro())
		given = max(c.last, s.last+1)
		if given > MaxSeq {
			return 0, fmt.Errorf("%w: id %q has no number left", ErrMessage, s.id)
		}
	case given <= s.last:
		return 0, fmt.Errorf("%w: Seq %d of id %q does not ascend: the last was %d", ErrMessage, given, s.id, s.last)
	}
	s.last = given
	return given, nil
}

// withdraw takes back a message that the File could not keep, and that therefore
// was not sent.
func (c *Client) withdraw(s *stream, seq int64) {
	for i := s.sent; i < len(s.queue); i++ {
		if s.queue[i].seq == seq {
			c.pop(s, i, i+1)
			break
		}
	}
	c.endFlushes()
	c.makeReady(s)
}

// keepBody is the largest memory of a message that is used again.
const keepBody = 2 << 10

func (c *Client) alloc(size int) []byte {
	if n := len(c.spare); n > 0 {
		b := c.spare[n-1]
		c.spare = c.spare[:n-1]
		if cap(b) >= size {
			return b[:0]
		}
	}
	return make([]byte, 0, (size+63)&^63)
}

func (c *Client) free(b []byte) {
	if cap(b) <= keepBody && len(c.spare) < 4096 {
		c.spare = append(c.spare, b)
	}
}

// Flush asks the server to write what it collects, and waits until everything that
// was sent before is acked or refused. The error is ctx's, or ErrClosed where a
// Close ended without that.
func (c *Client) Flush(ctx context.Context) error {
	c.mu.Lock()
	settled := c.flush()
	c.mu.Unlock()
	select {
	case <-settled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.stopped:
		select {
		case <-settled:
			return nil
		default:
			return ErrClosed
		}
	}
}

// flush ends the epoch. It needs the lock.
func (c *Client) flush() (settled <-chan struct{}) {
	if c.count == 0 {
		done := make(chan struct{})
		c.settled = append(c.settled, done)
		c.endFlushes()
		return done
	}
	e := c.epochs[len(c.epochs)-1]
	if e.left == 0 && len(c.epochs) > 1 { // nothing was sent since the last Flush
		return c.epochs[len(c.epochs)-2].settled
	}
	e.settled = make(chan struct{})
	c.epochs = append(c.epochs, &epoch{})
	c.wakeWriter()
	return e.settled
}

// Done ends the stream id, with a code and a payload (one JSON value, or nothing)
// of the caller's own, and waits until everything before it and the end itself are
// stored. messages is how many the stream holds then; -1 where the server cannot
// tell, or told it over a connection that was lost.
//
// The error is as for Send; or a [*Refusal]; or that ctx ended before the answer
// came, and the stream is ended all the same sooner or later.
func (c *Client) Done(ctx context.Context, id string, code int64, data []byte) (messages int64, err error) {
	x := &call{ended: make(chan struct{})}
	if err := c.send(ctx, Message{ID: id, Op: opDone, Code: code, Data: data}, x); err != nil {
		return 0, err
	}
	select {
	case <-x.ended:
		return x.messages, x.err
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-c.stopped:
		select {
		case <-x.ended:
			return x.messages, x.err
		default:
			return 0, ErrClosed
		}
	}
}

// Close takes no more messages, has the server write what it collects, waits until
// all is acked or refused, closes the connection, and ends the client's
// goroutines. Where ctx ends before, it gives up: the error is an [*UnackedError].
// Each further call does nothing and returns nil.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		<-c.stopped
		return nil
	}
	c.closed = true
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
	settled := c.flush()
	c.mu.Unlock()
	var err error
	select {
	case <-settled:
	default:
		select {
		case <-settled:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	c.stop()
	<-c.stopped
	if c.opts.HTTPClient == nil {
		c.http.CloseIdleConnections()
	}
	left := c.unacked()
	closed := c.closeJournal()
	if left.Count == 0 {
		return closed
	}
	left.Err = err
	return errors.Join(left, closed)
}

// unacked tells what is in the window.
func (c *Client) unacked() *UnackedError {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := &UnackedError{Count: c.count, Kept: c.opts.File != ""}
	for _, s := range c.streams {
		if n := len(s.queue); n > 0 {
			left.Streams = append(left.Streams, Unacked{s.id, s.queue[0].seq, s.queue[n-1].seq, n})
		}
	}
	slices.SortFunc(left.Streams, func(a, b Unacked) int { return strings.Compare(a.ID, b.ID) })
	return left
}

// Pending is how many messages were taken and are not answered.
func (c *Client) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// wakeWriter has the writer look for what there is to do.
func (c *Client) wakeWriter() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// backoff is the pause before the next attempt after n failures.
func (c *Client) backoff(n int) time.Duration {
	d := c.opts.RetryMin
	for ; n > 0 && d < c.opts.RetryMax; n-- {
		d *= 2
	}
	return mathrand.N(min(d, c.opts.RetryMax)) + 1
}
