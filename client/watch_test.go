package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/internal/long"
)

// A server that gives no sign is left, and what it did not ack is sent to the next.
func TestSilentServer(t *testing.T) {
	o := make(told, 10)
	opts := o.options()
	opts.PingInterval, opts.PingTimeout = 5*time.Millisecond, 20*time.Millisecond
	p, _, c := connected(t, opts) // it does not read, so it answers no ping
	send(t, c, "a", 1)
	x := p.accept()
	x.expect("a/1")
	x.write(`{"op":"ack","id":"a","seq":1}`)
	o.expect(t, "acked a/1")
}

// A server that reads nothing for long, and gives signs, is not left: it holds its
// clients back. Its pings are not answered while a frame is on its way, since a pong
// would have to wait behind that; the library ends connections whose pongs wait for
// five seconds.
func TestBackPressure(t *testing.T) {
	small := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			err = conn.(*net.TCPConn).SetWriteBuffer(64 << 10)
		}
		return conn, err
	}}}
	opts := Options{Name: "n", PingInterval: 100 * time.Millisecond, PingTimeout: 700 * time.Millisecond, HTTPClient: small}
	p, x, c := connected(t, opts)
	ctx, cancel := context.WithCancel(context.Background())
	var pings sync.WaitGroup
	defer pings.Wait()
	defer cancel()
	pings.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			pings.Go(func() { _ = x.conn.Ping(ctx) }) // nobody reads the answer
			<-tick.C
		}
	})
	must(t, c.Send(within(t), Message{ID: "a", Seq: 1, Data: []byte(`"` + strings.Repeat("x", 1<<20) + `"`)}))
	select {
	case <-p.came:
		t.Fatal("it is taken for dead")
	case <-time.After(time.Duration(long.Scale(1500, 7000)) * time.Millisecond):
	}
	x.expect("a/1")
	send(t, c, "a", 2)
	x.expect("a/2")
}

// Where a server answers that is not to be used like this, Dial says so; later it is
// tried again.
func TestHandshakeErrors(t *testing.T) {
	var status atomic.Int32
	var tries atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer x" {
			t.Errorf("headers %v", r.Header)
		}
		if s := int(status.Load()); s != 0 {
			tries.Add(1)
			http.Error(w, "because", s)
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err == nil {
			<-r.Context().Done() // the client has gone
			_ = conn.CloseNow()
		}
	}))
	defer server.Close()
	url := "ws" + strings.TrimPrefix(server.URL, "http")
	o := Options{Header: http.Header{"Authorization": {"Bearer x"}}, RetryMin: time.Millisecond, RetryMax: 2 * time.Millisecond}
	for _, s := range []int{400, 401, 403, 404, 426, 503, 200} {
		status.Store(int32(s))
		var handshake *HandshakeError
		if _, err := Dial(within(t), url, o); !errors.As(err, &handshake) || handshake.Status != s || handshake.Text != "because" {
			t.Errorf("status %d: %v", s, err)
		}
	}
	status.Store(401)
	tries.Store(0)
	o.Offline = true
	c, err := Dial(context.Background(), url, o)
	must(t, err)
	for deadline := time.Now().Add(patience); tries.Load() < 5 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	if tries.Load() < 5 {
		t.Error("it does not try again")
	}
	must(t, c.Close(within(t)))
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		url  string
		o    Options
		want string
	}{
		{"http://x/ws", Options{}, "must be like ws://"},
		{"ws:///ws", Options{}, "must be like ws://"},
		{"ws://x/ws?client=a", Options{Name: "b"}, `names the client "a", and Name is "b"`},
		{"ws://x/ws", Options{Name: strings.Repeat("x", 65)}, "Name: must be"},
		{"ws://x/ws", Options{Name: "\xff"}, "Name: must be"},
		{"ws://x/ws", Options{Sync: true}, "Sync: needs a File"},
		{"ws://x/ws", Options{Window: MaxWindow + 1}, "Window: must be"},
		{"ws://x/ws", Options{WindowBytes: -1, FrameBytes: -1, RetryMax: -1}, "RetryMax: must not be negative"},
	} {
		c.o.Offline = true
		if _, err := Dial(context.Background(), c.url, c.o); !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %+v: %v", c.url, c.o, err)
		}
	}
	c, err := Dial(context.Background(), "ws://127.0.0.1:1/ws?client=a%20b&x=y", Options{Offline: true})
	must(t, err)
	if c.Name() != "a b" || c.url != "ws://127.0.0.1:1/ws?client=a+b&x=y" {
		t.Errorf("%q, %q", c.Name(), c.url)
	}
	must(t, c.Close(within(t)))
}

func TestMessages(t *testing.T) {
	o := make(told, 10)
	_, x, c := connected(t, o.options())
	at := time.Date(2024, 5, 6, 21, 33, 20, 123456789, time.FixedZone("", 7200))
	for _, m := range []Message{
		{ID: "", Data: []byte(`1`)},
		{ID: strings.Repeat("x", 256)},
		{ID: "\xff"},
		{ID: "a", Op: "\xff"},
		{ID: "a", Op: "flush"},
		{ID: "a", Op: "resume"},
		{ID: "a", Data: []byte(`{`)},
		{ID: "a", Data: []byte(`1 2`)},
		{ID: "a", Data: []byte("\"\xff\"")},
		{ID: "a", RawTime: []byte(`1,"code":2`)},
	} {
		if err := c.Send(within(t), m); !errors.Is(err, ErrMessage) {
			t.Errorf("%+v: %v", m, err)
		}
	}
	for _, m := range []Message{
		{ID: strings.Repeat("x", 255), Seq: 1, Op: `a"b`, Time: at, Code: -1 << 63, Data: []byte("{\n\"a\" : [ ]\n}")},
		{ID: "\x00\"\\", Seq: MaxSeq, RawTime: []byte("1715050000.5")},
	} {
		must(t, c.Send(within(t), m))
		got := x.read(1)[0]
		op, data, when := m.Op, string(m.Data), string(m.RawTime)
		if op == "" {
			op = "report"
		}
		if when == "" {
			when = `"2024-05-06T19:33:20.123456789Z"`
		}
		if got.ID != m.ID || got.Seq != m.Seq || got.Op != op || got.Code != m.Code || string(got.Data) != data || string(got.Time) != when {
			t.Errorf("sent %+v", got)
		}
	}
}
