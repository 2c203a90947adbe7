package client

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// link is one connection. Three goroutines serve it: the one that runs the client
// reads, one writes, one watches.
type link struct {
	c      *Client
	conn   *websocket.Conn
	socket net.Conn      // below it; nil where the HTTP client does not tell
	ended  chan struct{} // closed when the reader has ended
	group  sync.WaitGroup

	sign     atomic.Int64 // when the server was last heard, Unix nanoseconds
	answered atomic.Bool  // it has answered something
	writing  atomic.Bool  // a frame is being written
	owed     atomic.Bool  // and a ping was not answered meanwhile
	pong     atomic.Int64 // when the last pong was to be written, Unix nanoseconds

	// The writer's, until it has ended.
	largest int  // the size of the largest frame
	only    part // the one message in it, where it holds one
}

// serve sends and receives until the connection ends, or ctx.
func (l *link) serve(ctx context.Context) error {
	l.c.mu.Lock()
	l.c.reconnected()
	l.c.mu.Unlock()
	// What ends it closes it from outside: a context that may end would cost more
	// than the message.
	left := make(chan struct{})
	stay := context.AfterFunc(ctx, func() { defer close(left); l.leave() })
	l.group.Go(l.write)
	l.group.Go(l.watch)
	err := l.read()
	if !stay() {
		<-left
	}
	l.cut()
	close(l.ended)
	l.group.Wait()
	return err
}

// goodbye is how long the server has to answer a close frame.
const goodbye = 250 * time.Millisecond

// leave ends the connection in an orderly way where there is nothing left to say.
func (l *link) leave() {
	l.c.mu.Lock()
	left := l.c.count
	l.c.mu.Unlock()
	if left > 0 {
		l.cut()
		return
	}
	timer := time.AfterFunc(goodbye, l.cutSocket)
	defer timer.Stop()
	_ = l.conn.Close(websocket.StatusNormalClosure, "")
}

// cut ends the connection at once.
func (l *link) cut() {
	l.cutSocket()
	_ = l.conn.CloseNow()
}

// cutSocket closes what is below the websocket, which cannot be hurried once it
// says goodbye.
func (l *link) cutSocket() {
	if t, ok := l.socket.(interface{ NetConn() net.Conn }); ok {
		_ = t.NetConn().Close() // TLS would say goodbye too
	} else if l.socket != nil {
		_ = l.socket.Close()
	}
}

func (l *link) read() error {
	var buf []byte
	for {
		_, r, err := l.conn.Reader(context.Background())
		if err != nil {
			return err
		}
		if buf, err = readAll(r, buf[:0]); err != nil {
			return err
		}
		l.sign.Store(time.Now().UnixNano())
		l.answered.Store(true)
		if err := l.c.heard(buf); err != nil {
			l.c.log.Warn("the server sent what is no answer", "error", err)
		}
	}
}

// readAll is io.ReadAll into b.
func readAll(r io.Reader, b []byte) ([]byte, error) {
	for {
		if cap(b)-len(b) < 512 {
			b = append(b, make([]byte, 4096)...)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

func (l *link) write() {
	c := l.c
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var buf []byte
	for {
		c.mu.Lock()
		next := time.Time{}
		if len(c.paused) > 0 {
			next = c.resume(time.Now())
		}
		frame, parts, only := c.fill(buf[:0])
		c.mu.Unlock()
		buf = frame
		if parts == 0 {
			if !next.IsZero() {
				timer.Reset(time.Until(next))
			}
			select {
			case <-l.ended:
				return
			case <-c.wake:
				runtime.Gosched() // more may come with what woke it
			case <-timer.C:
			}
			continue
		}
		if len(frame) > l.largest {
			l.largest, l.only = len(frame), part{}
			if parts == 1 {
				l.only = only
			}
		}
		if err := l.send(frame); err != nil {
			l.cut()
			return
		}
	}
}

// send sends a frame. While the server holds its clients back that may take as
// long as it likes.
func (l *link) send(frame []byte) error {
	l.writing.Store(true)
	if d := ponging - time.Duration(time.Now().UnixNano()-l.pong.Load()); d > 0 {
		select {
		case <-time.After(min(d, ponging)):
		case <-l.ended:
		}
	}
	err := l.conn.Write(context.Background(), websocket.MessageText, frame)
	l.writing.Store(false)
	if l.owed.Swap(false) {
		l.ping()
	}
	return err
}

// ponging is how long a pong is given to be written before a frame is.
const ponging = 5 * time.Millisecond

// pinged tells whether a ping is to be answered. While a frame is being written it
// is not: the pong would have to wait, nothing would be read meanwhile, and after
// five seconds the library would take the connection for broken. The server hears
// the frame as well as a pong, and a ping of ours after it.
func (l *link) pinged() bool {
	now := time.Now().UnixNano()
	l.sign.Store(now)
	l.pong.Store(now) // before writing is looked at, as send does it the other way round
	if l.writing.Load() {
		l.owed.Store(true)
		return false
	}
	return true
}

// ping sends a ping. Whether it is answered, the watch sees by what is heard.
func (l *link) ping() {
	l.group.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), l.c.opts.PingTimeout)
		defer cancel()
		_ = l.conn.Ping(ctx)
	})
}

// watch ends a connection whose server gives no sign.
func (l *link) watch() {
	o := &l.c.opts
	tick := time.NewTicker(max(min(o.PingInterval, o.PingTimeout)/4, time.Millisecond))
	defer tick.Stop()
	var asked int64 // when it was pinged and has not been heard since
	for {
		select {
		case <-l.ended:
			return
		case <-tick.C:
		}
		sign, now := l.sign.Load(), time.Now().UnixNano()
		switch {
		case now-sign < int64(o.PingInterval), asked != 0 && sign >= asked:
			asked = 0
		case asked == 0:
			asked = now
			if !l.writing.Load() {
				l.ping()
			}
		case now-asked >= int64(o.PingTimeout):
			l.c.log.Debug("no sign of the server", "for", time.Duration(now-sign))
			l.cut()
			return
		}
	}
}
