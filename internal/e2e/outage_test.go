package e2e

import (
	"net"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// The server is killed and started again while 20,000 messages flow, twice, so
// that statements and commits are cut off at any place, and nobody knows which of
// them happened. Nothing is lost, doubled, or out of order.
func TestServerKilled(t *testing.T) {
	server := mariadbtest.New(t)
	s := mysqlStore(t, server.DSN(t))
	d := start(t, t.TempDir(), append(s.args, "--set=router.batch_wait=50ms", "--set=delivery.retry_max=1s")...)
	l := newLoad("outage", 20_000)
	for i, x := range l.senders {
		// The window keeps them from having sent it all before the first outage.
		x.numbered, x.window = true, 50
		l.clients[i] = d.dial("")
	}
	wait := begin(t, len(l.senders), l.sendOne)
	for _, n := range []int64{4000, 11000} {
		eventually(t, "acks come", func() bool { return acked(l.clients) >= n })
		server.Kill()
		if n := acked(l.clients); n > 18_000 {
			t.Fatalf("void: %d messages were acked before the server was killed", n)
		}
		server.Restart(t)
	}
	wait()
	if n := acked(l.clients); n != 20_000 {
		t.Errorf("%d messages are acked", n)
	}
	d.says("write failed: trying again")
	d.says("writes succeed again")
	if n := d.stop(); n["accepted"] != l.total || n["stored"]+n["duplicates"] != l.total {
		t.Errorf("the daemon counts %v", n)
	}
	l.judge(t, s)
}

// A server that is not there, or lets nobody in, is said so at the start, with
// status 3 and without the password.
func TestServerMissing(t *testing.T) {
	const secret = "pa55-w0rd"
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := closed.Addr().String()
	_ = closed.Close()
	server := mariadbtest.Shared(t)
	for _, c := range []struct{ name, dsn, says string }{
		{"nobody listens", "root:" + secret + "@tcp(" + nowhere + ")/ingest", nowhere},
		{"wrong password", "root:" + secret + "@tcp(" + server.Addr() + ")/ingest", "Access denied"},
		{"no database", "root@tcp(" + server.Addr() + ")/nothing", "nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := launch(t, t.TempDir(), "--set=sink.mysql.dsn="+c.dsn)
			if status := d.wait(); status != 3 {
				t.Errorf("exit status %d", status)
			}
			if log := d.log(); !strings.Contains(log, c.says) || strings.Contains(log, secret) {
				t.Errorf("the program says: %s", log)
			}
		})
	}
}
