package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// answer is a frame of the server.
type answer struct {
	Op       string
	ID       json.RawMessage
	Seq      int64
	Messages *int64
	Code     string
	Error    string
	Retry    bool
	Index    *int
}

// id is the id as text, however it is written.
func (a answer) id() string { return strings.Trim(string(a.ID), `"`) }

// client is a websocket client. It keeps what it is told; acks only as the last
// number of each id.
type client struct {
	conn *websocket.Conn
	tcp  *net.TCPConn

	mu      sync.Mutex
	news    chan struct{} // closed, and made anew, with every frame and at the end
	answers []answer      // but acks
	acked   map[string]int64
	total   int64 // the sum of acked
	back    bool  // an ack was lower than the one before it
	end     error // why the connection ended
}

// dial connects; query is what follows the path, as in "?client=a".
func dial(url, query string) (*client, error) { return dialAs(url, query, nil) }

// dialAs is dial with a header.
func dialAs(url, query string, header http.Header) (*client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := &client{news: make(chan struct{}), acked: make(map[string]int64)}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			c.tcp = conn.(*net.TCPConn)
		}
		return conn, err
	}}
	conn, resp, err := websocket.Dial(ctx, url+query, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: header,
	})
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("%s: %w", resp.Status, err)
		}
		return nil, err
	}
	c.conn = conn
	go c.read()
	return c, nil
}

// dial connects a client for the length of the test.
func (d *daemon) dial(query string) *client {
	d.t.Helper()
	c, err := dial(d.url(), query)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.conn.CloseNow() })
	return c
}

func (c *client) read() {
	for {
		_, frame, err := c.conn.Read(context.Background())
		var a answer
		if err == nil {
			err = json.Unmarshal(frame, &a)
		}
		c.mu.Lock()
		switch {
		case err != nil:
			c.end = err
		case a.Op == "ack":
			before := c.acked[a.id()]
			c.back = c.back || a.Seq < before
			c.acked[a.id()] = a.Seq
			c.total += a.Seq - before
		default:
			c.answers = append(c.answers, a)
		}
		close(c.news)
		c.news = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// send sends one frame.
func (c *client) send(frame string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.conn.Write(ctx, websocket.MessageText, []byte(frame))
}

var errPatience = errors.New("waited in vain")

// wait waits until ok, which is called under the lock, says so. It fails once the
// connection has ended without that.
func (c *client) wait(what string, ok func() bool) error {
	timeout := time.After(patience)
	for {
		c.mu.Lock()
		fine, end, news := ok(), c.end, c.news
		c.mu.Unlock()
		switch {
		case fine:
			return nil
		case end != nil:
			return fmt.Errorf("%s: %w", what, end)
		}
		select {
		case <-news:
		case <-timeout:
			return fmt.Errorf("%s: %w", what, errPatience)
		}
	}
}

// ask sends a frame and waits for an answer, other than an ack, with this op.
func (c *client) ask(frame, op string) (a answer, err error) {
	c.mu.Lock()
	from := len(c.answers)
	c.mu.Unlock()
	if err := c.send(frame); err != nil {
		return a, err
	}
	err = c.wait("the answer "+op, func() bool {
		for _, a = range c.answers[from:] {
			if a.Op == op {
				return true
			}
		}
		return false
	})
	return a, err
}

// flush waits until everything that was sent is settled.
func (c *client) flush() error {
	_, err := c.ask(`{"op":"flush"}`, "flush")
	return err
}

// mark waits until everything that was sent was read and routed, be it stored or
// not: the answer to an op that does not exist says so.
func (c *client) mark() error {
	_, err := c.ask(`{"op":"mark","id":"mark"}`, "error")
	return err
}

// waitAck waits for an ack of at least seq.
func (c *client) waitAck(id string, seq int64) error {
	return c.wait(fmt.Sprintf("ack %d of %s", seq, id), func() bool { return c.acked[id] >= seq })
}

// waitEnd waits for the end of the connection and gives its close code.
func (c *client) waitEnd() (websocket.StatusCode, error) {
	var end error
	err := c.wait("the end of the connection", func() bool { end = c.end; return end != nil })
	return websocket.CloseStatus(end), errors.Join(err, end)
}

// errorsOf are the error answers so far.
func (c *client) errorsOf(code string) (found []answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.answers {
		if a.Op == "error" && a.Code == code {
			found = append(found, a)
		}
	}
	return found
}

// close says goodbye.
func (c *client) close() { _ = c.conn.Close(websocket.StatusNormalClosure, "") }

// cut ends the connection without a word, as a phone does that loses its network
// and is switched on again.
func (c *client) cut() {
	_ = c.tcp.SetLinger(0)
	_ = c.tcp.Close()
}

// begin calls f for 0 to n-1 at the same time. wait waits for them, and fails the
// test with their errors.
func begin(t *testing.T, n int, f func(i int) error) (wait func()) {
	var all sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	return func() {
		t.Helper()
		all.Wait()
		must(t, errs...)
	}
}

// each calls f for 0 to n-1 at the same time, and waits for them.
func each(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	begin(t, n, f)()
}

// must fails the test at the first of the errors.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
