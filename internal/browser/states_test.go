package browser

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/internal/child"
	"github.com/ingestd/ingestd/internal/child/childtest"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/internal/natstest"
)

// outage is a daemon with a spool, whose database can go away.
func outage(t *testing.T) (*child.Daemon, *mariadbtest.Server) {
	t.Helper()
	server := mariadbtest.New(t)
	dir := t.TempDir()
	text := "sink \"mysql\" {\n  dsn = " + quote(server.DSN(t)) + "\n}\nrouter {\n  batch_wait = \"250ms\"\n}\ndelivery {\n  spool = true\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "config.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// Acks of the level spooled: senders go on.
	d := childtest.Run(t, dir, "127.0.0.1:0", "--config=config.hcl", "--set=admin.listen=127.0.0.1:0", "--set=transport.websocket.ack=spooled")
	return d, server
}

// A sink that is down is told in words, with what waits; and when it is back, too.
func TestSinkDown(t *testing.T) {
	d, server := outage(t)
	b := open(t, d.Admin(), width, height, "light")
	flow(t, d.URL(), 3, 50*time.Millisecond)
	b.says("#word", "Flowing")
	server.Kill()
	b.says("#word", "Failing")
	b.says("#summary", "wait in the spool")
	b.says("#pipe", "failing")
	b.says("#chart-waiting .legend", "in the spool")
	b.says("#figure-pending .note", "on disk")
	b.wait("the colour says it as well", "document.body.dataset.state === 'failing'")
	b.wait("the title of the window, too", "document.title.startsWith('Failing')")
	// The payload of a stream cannot be read meanwhile, and the page says why.
	b.write("#lookup-id", "sensor-0")
	b.key("Enter")
	b.says("#stream-detail .bad", "")
	server.Restart(t)
	b.says("#word", "Flowing")
	b.says("#summary", "stored as it comes")
}

// Both ends of a stream of NATS are told of, and that it is away.
func TestNATS(t *testing.T) {
	nats := natstest.Start(t)
	edge, _ := start(t, "--set=sink=nats", "--set=sink.nats.url="+nats.URL(), "--set=sink.nats.partitions=8")
	writer, _ := start(t, "--set=transport.nats.url="+nats.URL())
	send(t, edge.URL(), "", message("sensor-1", 0, 1))
	b := open(t, writer.Admin(), width, height, "light")
	b.says("#pipe", "Stream of NATS")
	b.says("#pipe", "8 of 8")
	b.says("#pipe", "0 carriers")
	b.says("#summary", "stored as it comes")
	nats.Stop()
	b.says("#word", "Failing")
	b.says("#summary", "NATS is out of reach of transport.nats")
	b.says("#pipe", "not connected to "+nats.Address())
	e := open(t, edge.Admin(), width, height, "light")
	e.says("#summary", "NATS is out of reach")
	nats.Restart()
	b.says("#pipe", "8 of 8")
	e.says("#word", "Idle")
}

// Where all is refused, nothing says that it flows: not what the sink refuses, and not
// those who may not connect.
func TestRefusing(t *testing.T) {
	d, _ := start(t, "--set=transport.websocket.max_connections=2")
	b := open(t, d.Admin(), width, height, "light")
	b.says("#word", "Idle")
	for data := range 2 {
		m := message("sensor-1", 0, data)
		m.Seq = 1
		send(t, d.URL(), "phone-7", m)
	}
	b.says("#word", "Refusing")
	b.says("#summary", "Messages are refused: 1 in the last minute (conflict). What else comes is stored.")
	b.wait("the colour says it as well", "document.body.dataset.state === 'refusing'")
	b.wait("and the icon", find("#headline-icon")+`.getAttribute("href") === "#i-refusing"`)
	b.wait("and the title of the window", "document.title.startsWith('Refusing')")

	refused := 0
	for range 3 {
		c, _, err := websocket.Dial(t.Context(), d.URL(), nil)
		if err != nil {
			refused++
			continue
		}
		defer func() { _ = c.CloseNow() }()
	}
	if refused == 0 {
		t.Fatal("there is room for a third connection")
	}
	b.says("#summary", "turned away in the last minute (max_connections).")
}

// When the daemon goes away the page keeps what it knows, says that it is old, and
// comes back by itself.
func TestDaemonAway(t *testing.T) {
	dir, admin := t.TempDir(), free(t)
	run := func() *child.Daemon {
		return childtest.Run(t, dir, "127.0.0.1:0", "--set=admin.listen="+admin)
	}
	d := run()
	send(t, d.URL(), "", message("before", 0, 1))
	b := open(t, d.Admin(), width, height, "dark")
	b.expect("ERR_", "status of 503")
	b.says("#figure-stored .note", "1 stored")
	d.Kill()
	b.says("#away", "does not answer since")
	b.says("#word", "Away")
	b.says("#figure-stored .note", "1 stored")
	b.wait("what is old is grey", "document.body.classList.contains('stale')")
	d = run()
	b.gone("#away")
	b.says("#word", "Idle")
	b.says("#figure-stored .note", "0 stored")
	send(t, d.URL(), "", message("after", 0, 1), message("after", 0, 2))
	b.says("#figure-stored .note", "2 stored")

	// In order: it drains, and says so, before it is gone.
	if err := d.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.says("#away", "does not answer since")
}

// With a token the page is closed until it is shown, and again after signing out.
func TestToken(t *testing.T) {
	const token = "a-token-of-this-test-alone"
	d, _ := start(t, "--set=admin.token="+token)
	b := open(t, d.Admin(), width, height, "light")
	b.expect("status of 401")
	b.says("#gate", "asks for its admin token")
	b.gone("#page")
	b.write("#token", "wrong")
	b.key("Enter")
	b.says("#login-error", "not the token")
	b.write("#token", token)
	b.key("Enter")
	b.says("#word", "Idle")
	b.gone("#gate")
	b.says("#logout", "Sign out")
	b.visit(d.Admin() + "/?again")
	b.says("#word", "Idle")
	b.click("#send-form button[type=submit]")
	b.says("#send-answer", "Stored")
	b.click("#logout")
	b.says("#gate", "asks for its admin token")
}

// The configuration is read again, and what is wrong with it is told whole.
func TestReload(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.hcl")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("router {\n  batch_size = 10\n}\n")
	d, _ := start(t, "--config="+config)
	b := open(t, d.Admin(), width, height, "dark")
	b.says("#word", "Idle")
	b.click("#reload")
	b.says("#reload-outcome", "nothing has changed")
	write("router {\n  batch_size = 50\n}\n")
	b.click("#reload")
	b.says("#reload-outcome", "router.batch_size is in effect")
	b.expect("status of 422")
	write("router {\n  batch_size = -1\n  nonsense = true\n}\n")
	b.click("#reload")
	b.says("#reload-outcome", "everything stays as it was")
	b.says("#reload-outcome", "nonsense")
	b.click("#config-show")
	b.says("#config-text", "batch_size")
	b.click("#config-show")
	b.gone("#config-text")
}

// How much is logged is shown, and can be changed; others may change it, too.
func TestLogLevel(t *testing.T) {
	d, _ := start(t)
	b := open(t, d.Admin(), width, height, "light")
	shows := func(level string) {
		t.Helper()
		b.wait("it shows "+level, find("#log-level")+".value === "+quote(level)+" && !"+find("#log-level")+".disabled")
	}
	inEffect := func(level string) {
		t.Helper()
		until(t, level+" is in effect", func() bool {
			return eval[string](b, `fetch("/api/v1/status").then((r) => r.json()).then((s) => s.log_level)`) == level
		})
	}
	shows("info")
	eval[any](b, find("#log-level")+".focus()")
	eval[any](b, `(() => { const e = document.activeElement; e.value = "debug"; e.dispatchEvent(new Event("change", { bubbles: true })) })()`)
	b.says("#toasts", "The log level is debug")
	inEffect("debug")
	eval[any](b, "document.activeElement.blur()")
	shows("debug")
	eval[any](b, `fetch("/api/v1/log-level", { method: "PUT", headers: { "Content-Type": "application/json" }, body: '{"level":"warn"}' })`)
	shows("warn")
	inEffect("warn")
}
