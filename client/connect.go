package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// connect makes a connection. The caller's goroutine is not needed any more by it,
// but serve is to be called.
func (c *Client) connect(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.ConnectTimeout)
	defer cancel()
	l := &link{c: c, ended: make(chan struct{})}
	l.sign.Store(time.Now().UnixNano())
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { l.socket = i.Conn },
	})
	conn, resp, err := websocket.Dial(ctx, c.url, &websocket.DialOptions{ //nolint:bodyclose // the library closes it
		HTTPClient:   c.http,
		HTTPHeader:   c.opts.Header,
		Subprotocols: []string{"ingest.v1"},
		OnPingReceived: func(context.Context, []byte) bool {
			return l.pinged()
		},
		OnPongReceived: func(context.Context, []byte) {
			l.sign.Store(time.Now().UnixNano())
		},
	})
	if err == nil {
		conn.SetReadLimit(1 << 20)
		l.conn = conn
		return l, nil
	}
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, handshakeError(resp)
	}
	if inner, is := errors.AsType[*url.Error](err); is {
		err = inner.Err // without the request, which nobody made
	}
	return nil, err
}

func handshakeError(resp *http.Response) error {
	text := ""
	if resp.Body != nil {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1024)) // it helps if it is there
		text = strings.ToValidUTF8(strings.TrimSpace(string(b)), "\uFFFD")
	}
	return &HandshakeError{Status: resp.StatusCode, Text: text}
}

// run keeps a connection until ctx ends. l is the first one, if there is one
// already.
func (c *Client) run(ctx context.Context, l *link) {
	defer close(c.stopped)
	again, failures := false, 0
	for {
		if l != nil {
			if again {
				c.log.Info("connected again", "failures", failures)
			}
			again = true
			err := l.serve(ctx)
			if ctx.Err() != nil {
				return
			}
			failures = l.judge(err, failures)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(c.backoff(failures)):
		}
		var err error
		if l, err = c.connect(ctx); err != nil {
			if failures++; failures == 1 && ctx.Err() == nil {
				c.log.Warn("cannot connect: trying again", "error", err)
			}
		}
	}
}

// patient is how many failures make the longest pause.
const patient = 30

// judge draws the consequences of the end of a connection, and tells how long to
// wait with the next one, as a number of failures.
func (l *link) judge(err error, failures int) int {
	c := l.c
	code := websocket.CloseStatus(err)
	c.log.Warn("connection lost: connecting again", "error", err)
	switch code {
	case websocket.StatusMessageTooBig:
		if c.tooLarge(l, err) {
			return 0
		}
	case websocket.StatusPolicyViolation, websocket.StatusInvalidFramePayloadData, websocket.StatusProtocolError:
		return patient // what it does not like it will hardly like at once
	}
	if l.answered.Load() {
		return 0
	}
	return failures + 1
}

// tooLarge finds out which frame was too large for the server: if any was, the
// largest one was. Where that holds several messages, smaller frames are made from
// now on; where it holds one, that is refused. It returns false where it cannot
// have been a frame of ours.
func (c *Client) tooLarge(l *link, why error) bool {
	if l.largest == 0 {
		return false
	}
	if l.only.stream == nil {
		c.mu.Lock()
		c.frameBytes = l.largest / 2
		c.mu.Unlock()
		c.log.Warn("the server takes no frame as large as that: making smaller ones", "bytes", l.largest)
		return true
	}
	text := "it is larger than the server takes"
	var closed websocket.CloseError
	if errors.As(why, &closed) && closed.Reason != "" {
		text = closed.Reason
	}
	c.mu.Lock()
	n := c.refuse(l.only.stream, Refusal{ID: l.only.stream.id, Seq: l.only.seq, Code: CodeTooLarge, Text: text})
	c.unlockAndTell(n)
	return n.refused != nil
}
