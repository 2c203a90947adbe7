package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// lines is a transport. A client sends "ID TAB NUMBER TAB JSON" lines, and hears
// "ok TAB ID TAB NUMBER" for each that is stored, or "no TAB ID TAB NUMBER TAB
// reason".
type lines struct{ listener net.Listener }

var _ engine.Transport = (*lines)(nil)

// Serve implements engine.Transport.
func (l *lines) Serve(ctx context.Context, r engine.Router) error {
	ctx, cancel := context.WithCancel(ctx)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.listener.Close() })()
	for {
		conn, err := l.listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		clients.Go(func() { newClient(conn).serve(ctx, r) })
	}
}

// maxOpen is how many messages of a client may be unanswered before no more is
// read from it.
const maxOpen = 1000

// client is one connection. It is the Producer of its messages: their outcomes
// come to Settled.
type client struct {
	conn net.Conn

	// Each message holds a place in open from when it is read until its answer is
	// written. So answers has always room, and Settled never blocks.
	open    chan struct{}
	answers chan string
}

var _ engine.Producer = (*client)(nil)

func newClient(conn net.Conn) *client {
	return &client{conn, make(chan struct{}, maxOpen), make(chan string, maxOpen)}
}

// serve routes what comes until the client is gone or ctx ends, then waits until
// everything is settled and answered.
func (c *client) serve(ctx context.Context, r engine.Router) {
	var writer sync.WaitGroup
	writer.Go(c.write)
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetReadDeadline(time.Now()) })
	in := bufio.NewScanner(c.conn)
	for c.enter(ctx) {
		if !in.Scan() || !c.take(ctx, r, in.Text()) {
			<-c.open
			break
		}
	}
	stop()
	for range maxOpen { // every place is free again
		c.open <- struct{}{}
	}
	close(c.answers)
	writer.Wait()
	_ = c.conn.Close()
}

// enter takes a place, and tells whether more is to be read.
func (c *client) enter(ctx context.Context) bool {
	select {
	case c.open <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	if ctx.Err() == nil {
		return true
	}
	<-c.open
	return false
}

// take routes one line. It returns false once nothing more is taken.
func (c *client) take(ctx context.Context, r engine.Router, line string) bool {
	id, rest, _ := strings.Cut(line, "\t")
	number, data, _ := strings.Cut(rest, "\t")
	tag, err := strconv.ParseInt(number, 10, 64)
	if err == nil && !json.Valid([]byte(data)) {
		err = errors.New("not JSON")
	}
	if err == nil {
		now := time.Now().UTC()
		err = r.Route(ctx, engine.Message{
			ID: id, Op: "report", Time: now, Received: now,
			Remote: c.conn.RemoteAddr().String(), Data: []byte(data), Tag: tag,
		}, c)
	}
	if errors.Is(err, engine.ErrClosed) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return false
	}
	if err != nil {
		c.answers <- fmt.Sprintf("no\t%s\t%s\t%v\n", id, number, err)
	}
	return true
}

// Settled implements engine.Producer.
func (c *client) Settled(ms []engine.Message, _ engine.Result, err error) {
	for i := range ms {
		switch m := &ms[i]; {
		case err == nil:
			c.answers <- fmt.Sprintf("ok\t%s\t%d\n", m.ID, m.Tag)
		case engine.IsPermanent(err):
			c.answers <- fmt.Sprintf("no\t%s\t%d\t%v\n", m.ID, m.Tag, err)
		default:
			c.answers <- "" // given up at the end of a drain: no answer
		}
	}
}

// Spooled implements engine.Producer. There is no spool.
func (c *client) Spooled([]engine.Message) {}

// write sends the answers. A client that does not take them is cut off.
func (c *client) write() {
	for answer := range c.answers {
		_ = c.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.conn.Write([]byte(answer)); err != nil {
			_ = c.conn.Close()
		}
		<-c.open
	}
}
