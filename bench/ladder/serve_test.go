package ladder

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// running is a design that is served.
type running struct {
	name, dsn, addr string
	cancel          context.CancelFunc
	ended           chan error
	log             bytes.Buffer
}

// hour is longer than any test.
var hour = times{look: time.Hour, linger: time.Hour}

func prepared(t *testing.T) string {
	t.Helper()
	dsn := mariadbtest.DSN(t)
	if err := Prepare(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	return dsn
}

func start(t *testing.T, name string, lasts times) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &running{name: name, dsn: prepared(t), addr: l.Addr().String(), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	go func() { r.ended <- serve(ctx, name, l, r.dsn, &r.log, lasts) }()
	t.Cleanup(cancel)
	return r
}

// stop ends it, and gives what it says at its end.
func (r *running) stop(t *testing.T) Counters {
	t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		t.Fatal(err)
	}
	var c Counters
	if err := json.Unmarshal(r.log.Bytes(), &c); err != nil || c.Design != r.name {
		t.Fatalf("%q: %v", r.log.String(), err)
	}
	return c
}

// await waits until n messages are stored.
func (r *running) await(t *testing.T, n int64) {
	t.Helper()
	if samples, err := Watch(t.Context(), r.dsn, n, time.Minute); err != nil || samples[len(samples)-1].Stored != n {
		t.Fatalf("%v, %v instead of %d", samples, err, n)
	}
}

func (r *running) count(t *testing.T, sent int64) Counts {
	t.Helper()
	c, err := Count(t.Context(), r.dsn, sent)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func dial(t *testing.T, addr, client string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/ws?client="+client, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func send(t *testing.T, c *websocket.Conn, id, n int) {
	t.Helper()
	if err := write(t.Context(), c, id, n); err != nil {
		t.Fatal(err)
	}
}

func write(ctx context.Context, c *websocket.Conn, id, n int) error {
	return c.Write(ctx, websocket.MessageText,
		fmt.Appendf(nil, `{"op":"report","id":%d,"seq":%d,"time":"1715050000","data":{"n":%d}}`, id, n, n))
}

// flushed returns once all that was sent has been received.
func flushed(t *testing.T, c *websocket.Conn) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.MessageText, []byte("no json")); err != nil {
		t.Fatal(err)
	}
	if _, answer, err := c.Read(t.Context()); err != nil || !bytes.Contains(answer, []byte("bad_json")) {
		t.Fatalf("%s, %v", answer, err)
	}
}

// One after the other, every design that writes a message as it comes stores it,
// and its stream.
func TestOneAtATime(t *testing.T) {
	for _, name := range []string{"direct", "direct-tx", "lock", "transaction"} {
		t.Run(name, func(t *testing.T) {
			r := start(t, name, hour)
			c := dial(t, r.addr, "phone")
			for n := range 6 {
				send(t, c, 17+n%2, n)
				r.await(t, int64(n+1))
			}
			if got := r.count(t, 6); got != (Counts{Stored: 6}) {
				t.Errorf("%+v", got)
			}
			if got := r.stop(t); got != (Counters{Design: name, Received: 6}) {
				t.Errorf("%+v", got)
			}
			db := mariadbtest.DB(t, r.dsn)
			var stored string
			const row = "SELECT CONCAT_WS(' ', id, client, op, code, sent_at, data) FROM messages WHERE code = 4"
			if err := db.QueryRowContext(t.Context(), row).Scan(&stored); err != nil ||
				stored != `17 phone report 4 2024-05-07 02:46:40.000000 {"n":4}` {
				t.Errorf("%q, %v", stored, err)
			}
			const streams = "SELECT GROUP_CONCAT(CONCAT_WS(' ', id, status, messages, first_seq, last_seq," +
				" first_at <= last_at) ORDER BY id) FROM streams"
			if err := db.QueryRowContext(t.Context(), streams).Scan(&stored); err != nil ||
				stored != "17 open 3 0 4 1,18 open 3 1 5 1" {
				t.Errorf("%q, %v", stored, err)
			}
		})
	}
}

// The locked maps store every ten, and forget the rest.
func TestMapLocked(t *testing.T) {
	r := start(t, "map-locked", hour)
	c := dial(t, r.addr, "")
	for n := range 35 {
		send(t, c, 17, n)
	}
	flushed(t, c)
	r.await(t, 30)
	if got := r.stop(t); got != (Counters{Design: r.name, Received: 35}) {
		t.Errorf("%+v", got)
	}
	if got := r.count(t, 35); got.Stored != 30 || got.Lost != 5 || got.Doubled != 0 {
		t.Errorf("%+v", got)
	}
}

// The published channels store what comes for the ids of the first look: ten, and
// then the rest. From then on the table is held.
func TestChannels(t *testing.T) {
	dsn := prepared(t)
	s, err := openStore(t.Context(), dsn, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.db.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	d := newChannels(ctx, s, times{look: time.Millisecond, linger: 10 * time.Millisecond}).(*channels)
	r := &running{dsn: dsn}
	d.receive(ctx, made("17", 0))
	r.await(t, 1)
	for n := range 12 {
		d.receive(ctx, made("17", n+1))
	}
	r.await(t, 13)
	if d.mu.TryLock() {
		t.Error("a new id would be noticed")
		d.mu.Unlock()
	}
	d.receive(ctx, made("18", 0))
	cancel()
	d.stop()
	if got := r.count(t, 14); got.Stored != 13 || got.Doubled != 0 {
		t.Errorf("%+v", got)
	}
}

func made(id string, n int) message {
	return message{id: id, op: "report", number: int64(n), at: time.Now(), received: time.Now(), data: "{}"}
}

func TestUnknownDesign(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := Serve(t.Context(), "redis", l, "", nil); err == nil {
		t.Error("it is served")
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is open")
	}
}
