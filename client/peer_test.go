package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// peers is a server whose side of each connection is the test's.
type peers struct {
	t    *testing.T
	url  string
	came chan *peer
}

// peer is the server's side of a connection.
type peer struct {
	t    *testing.T
	conn *websocket.Conn
	name string
	have []sent // read, and not yet given
}

// sent is a message as the server reads it.
type sent struct {
	Op   string
	ID   string
	Seq  int64
	Code int64
	Time json.RawMessage
	Data json.RawMessage
}

func newPeers(t *testing.T) *peers {
	p := &peers{t: t, came: make(chan *peer)}
	stop := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		conn.SetReadLimit(1 << 24)
		select {
		case p.came <- &peer{t: t, conn: conn, name: r.URL.Query().Get("client")}:
			<-stop
		case <-stop:
		}
		_ = conn.CloseNow()
	}))
	server.Config.ConnState = func(c net.Conn, s http.ConnState) {
		if s == http.StateNew {
			_ = c.(*net.TCPConn).SetReadBuffer(64 << 10) // so that little keeps a client waiting
		}
	}
	server.Start()
	p.url = "ws" + strings.TrimPrefix(server.URL, "http") + "/ws"
	t.Cleanup(func() {
		close(stop)
		server.Close()
	})
	return p
}

// accept waits for the next connection.
func (p *peers) accept() *peer {
	p.t.Helper()
	select {
	case x := <-p.came:
		return x
	case <-time.After(patience):
		p.t.Fatal("no connection comes")
		return nil
	}
}

// frame reads one frame.
func (x *peer) frame() []byte {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, b, err := x.conn.Read(ctx)
	if err != nil {
		x.t.Fatal("read a frame: ", err)
	}
	return b
}

// read gives the next n messages, whatever the frames.
func (x *peer) read(n int) []sent {
	x.t.Helper()
	for len(x.have) < n {
		for d := json.NewDecoder(bytes.NewReader(x.frame())); ; {
			var m sent
			err := d.Decode(&m)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				x.t.Fatal(err)
			}
			x.have = append(x.have, m)
		}
	}
	got := x.have[:n:n]
	x.have = x.have[n:]
	return got
}

// expect reads messages, and wants these: "17/3" is a report number 3 of 17, "done
// 17/3" another op.
func (x *peer) expect(want ...string) {
	x.t.Helper()
	for i, m := range x.read(len(want)) {
		if got := m.String(); got != want[i] {
			x.t.Fatalf("message %d is %s, not %s", i, got, want[i])
		}
	}
}

func (m sent) String() string {
	text := m.ID
	if m.Seq != 0 {
		n, _ := json.Marshal(m.Seq)
		text += "/" + string(n)
	}
	if m.Op != opReport {
		text = strings.TrimSpace(m.Op + " " + text)
	}
	return text
}

func (x *peer) write(frames ...string) {
	x.t.Helper()
	for _, f := range frames {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := x.conn.Write(ctx, websocket.MessageText, []byte(f))
		cancel()
		if err != nil {
			x.t.Fatal(err)
		}
	}
}

func (x *peer) cut() { _ = x.conn.CloseNow() }
