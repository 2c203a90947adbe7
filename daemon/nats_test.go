package daemon

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/internal/natstest"
)

// startEdge starts a daemon that writes a stream of 8 partitions. Its settings are in
// a file.
func startEdge(t *testing.T, url string, args ...string) *process {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config.hcl"), edgeConfig(url, ""))
	return start(t, dir, append(append([]string{}, free...), args...)...)
}

func edgeConfig(url, more string) string {
	return fmt.Sprintf("sink \"nats\" {\n  url        = %q\n  partitions = 8\n%s}\n", url, more)
}

// startWriter starts a daemon that reads it.
func startWriter(t *testing.T, url string, args ...string) *process {
	t.Helper()
	return start(t, t.TempDir(), append([]string{"--set=transport.nats.url=" + url, "--set=admin.listen=127.0.0.1:0"}, args...)...)
}

// status asks the process for its status.
func (p *process) status() *api.Status {
	p.t.Helper()
	client, err := api.NewClient(p.admin(), "")
	if err != nil {
		p.t.Fatal(err)
	}
	defer client.Close()
	st, err := client.Status(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return st
}

// eventually waits until the status of the process is what it should be.
func (p *process) eventually(what string, is func(st *api.Status) bool) (st *api.Status) {
	p.t.Helper()
	natstest.Eventually(p.t, what, func() bool { st = p.status(); return is(st) })
	return st
}

func (p *process) stop(want int) {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != want {
		p.t.Errorf("the exit status is %d, not %d", status, want)
	}
}

// dialAs connects with a name.
func (p *process) dialNamed(client string) *websocket.Conn {
	p.t.Helper()
	c, _, err := websocket.Dial(p.t.Context(), p.url()+"?client="+client, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// frames reads until each of the texts was in one of the frames, and gives all.
func (p *process) frames(c *websocket.Conn, texts ...string) string {
	p.t.Helper()
	var all strings.Builder
	for missing := true; missing; {
		frame, err := p.receive(c)
		if err != nil {
			p.t.Fatalf("%v, after\n%s", err, &all)
		}
		all.WriteString(frame + "\n")
		missing = false
		for _, text := range texts {
			missing = missing || !strings.Contains(all.String(), text)
		}
	}
	return all.String()
}

// A message goes from a client over an edge, a stream and a writer daemon into a
// database, once, under its own key; and both daemons say how they are. The writer
// daemon is there first, and waits for the stream.
func TestEdgeToWriter(t *testing.T) {
	nats := natstest.Start(t)
	writer := startWriter(t, nats.URL())
	writer.await(`there is no stream \"ingest\": it is made by the first ingestd that writes to it`)
	st := writer.status()
	if n := st.Transports[0].NATS; !st.Ready || st.Condition != "waiting" || n == nil || n.State != "waiting" ||
		!strings.HasPrefix(st.Summary, `Not all is read by transport.nats: there is no stream "ingest"`) {
		t.Errorf("before there is a stream it is %+v, %s: %s", n, st.Condition, st.Summary)
	}

	edge := startEdge(t, nats.URL())
	if line := edge.await("ready"); !strings.Contains(line, `writing="nats `+nats.Address()+` stream ingest"`) {
		t.Error(line)
	}
	c := edge.dialNamed("phone-7")
	for i := range 100 {
		edge.send(c, fmt.Sprintf(`{"id":%d,"seq":%d,"data":{ "n":%d}}`, i%4, i+1, i))
	}
	edge.send(c, `{"op":"resume","id":3}{"op":"done","id":1,"code":7,"data":"over"}{"op":"flush"}`)
	answers := edge.frames(c, `"op":"flush"`, `{"op":"ack","id":0,"seq":97}`, `{"op":"ack","id":3,"seq":100}`)
	for _, want := range []string{`{"op":"done","id":1}`, `"code":"unsupported"`} {
		if strings.Count(answers, want) != 1 {
			t.Errorf("%s is not once in\n%s", want, answers)
		}
	}

	st = writer.eventually("everything is stored", func(st *api.Status) bool {
		return st.Messages.Stored == 100 && st.Messages.Pending == 0 && st.Transports[0].NATS.Behind == 0
	})
	n := st.Transports[0].NATS
	if !n.Connected || n.State != "ok" || n.Partitions != 8 || n.Owned != 8 || n.Readers != 1 || st.Condition != "ok" || st.Messages.Fenced != 0 {
		t.Errorf("it reads %+v, and is %s", n, st.Condition)
	}
	var rows, wrong int
	db := database(t, writer.dir)
	if err := db.QueryRow(`SELECT count(*), count(*) FILTER (WHERE client <> 'phone-7' OR id <> (seq - 1) % 4 OR data <> '{ "n":' || (seq - 1) || '}')
		FROM messages`).Scan(&rows, &wrong); err != nil || rows != 100 || wrong != 0 {
		t.Errorf("%d messages, %d of them wrong: %v", rows, wrong, err)
	}
	natstest.Eventually(t, "the end of the stream is stored", func() bool {
		var ended string
		err := db.QueryRow(`SELECT status || end_code || end_data FROM streams WHERE id = '1'`).Scan(&ended)
		return err == nil && ended == `done7"over"`
	})
	if _, out, _ := run(t, t.TempDir(), "status", "--url", writer.admin()); !strings.Contains(out, "8 of 8 partitions, 1 reader, 0 carriers behind") {
		t.Errorf("the status says\n%s", out)
	}
	for _, p := range []*process{edge, writer} {
		rest(t, p.admin(), 0)
		text, f := scrape(t, p.admin())
		check := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
		check.Stdin = strings.NewReader(text)
		if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("promtool: %v\n%s", err, out)
		}
		if strings.Contains(text, "phone-7") {
			t.Error("a label has what a client chose")
		}
		if p == edge {
			f.are(t, figures{`ingest_nats_sink_connected{sink="nats"}`: 1, `ingest_nats_sink_publish_failures_total{sink="nats"}`: 0})
		} else {
			f.are(t, figures{
				`ingest_nats_partitions_owned{transport="nats"}`: 8, `ingest_nats_behind_carriers{transport="nats"}`: 0,
				`ingest_messages_fenced_total`: 0, `ingest_messages_stored_total`: 100,
			})
		}
	}
	_ = c.CloseNow()
	edge.stop(0)
	writer.stop(0)
}

// While NATS is away the spool of an edge takes what comes; both daemons say so, and
// go on when it is back. What was accepted before a drain is in the stream after it,
// and a writer daemon that starts later stores it.
func TestNATSAway(t *testing.T) {
	nats := natstest.Start(t)
	edge := startEdge(t, nats.URL(), "--set=delivery.spool=true", "--set=delivery.retry_max=200ms", "--set=transport.websocket.ack=spooled",
		"--set=router.batch_wait=10ms")
	writer := startWriter(t, nats.URL())
	writer.eventually("it reads all partitions", func(st *api.Status) bool { return st.Transports[0].NATS.Owned == 8 })
	c := edge.dialNamed("phone-7")
	nats.Stop()

	st := edge.eventually("the sink is failing", func(st *api.Status) bool { return st.Sink.State == "failing" })
	if st.Sink.Sentence != "NATS is out of reach; nothing waits." || st.Condition != "failing" || !st.Ready ||
		st.Sink.Connected == nil || *st.Sink.Connected {
		t.Errorf("the edge says %q, %s", st.Sink.Sentence, st.Condition)
	}
	edge.send(c, `{"id":"a","seq":1} {"id":"b","seq":1}`)
	edge.frames(c, `{"op":"ack","id":"a","seq":1}`, `{"op":"ack","id":"b","seq":1}`)
	edge.eventually("it says since when", func(st *api.Status) bool {
		return strings.HasPrefix(st.Summary, "NATS has been out of reach since ") && strings.HasSuffix(st.Summary, "2 messages wait in the spool.")
	})
	st = writer.eventually("it is not connected", func(st *api.Status) bool { return !st.Transports[0].NATS.Connected })
	if !st.Ready || st.Summary != "NATS is out of reach of transport.nats, so nothing is read. What was read is stored." {
		t.Errorf("the writer daemon says %q", st.Summary)
	}

	nats.Restart()
	writer.eventually("both are stored", func(st *api.Status) bool { return st.Messages.Stored == 2 })
	edge.eventually("all is well again", func(st *api.Status) bool { return st.Sink.State == "ok" && st.Spool.Messages == 0 })
	writer.stop(0)
	edge.send(c, `{"id":"a","seq":2}`)
	edge.frames(c, `{"op":"ack","id":"a","seq":2}`)
	edge.stop(0)

	again := start(t, writer.dir, "--set=transport.nats.url="+nats.URL(), "--set=admin.listen=127.0.0.1:0")
	again.eventually("the third is stored", func(st *api.Status) bool { return st.Messages.Stored == 1 })
	again.stop(0)
}

// Two writer daemons share the partitions; one that ends gives its own to the other.
func TestWritersShare(t *testing.T) {
	nats := natstest.Start(t)
	edge := startEdge(t, nats.URL())
	edge.await("ready")
	one, two := startWriter(t, nats.URL()), startWriter(t, nats.URL())
	half := func(st *api.Status) bool {
		return st.Transports[0].NATS.Owned == 4 && st.Transports[0].NATS.Readers == 2
	}
	one.eventually("the first has half of them", half)
	two.eventually("the second has half of them", half)
	one.stop(0)
	two.eventually("the second has all of them", func(st *api.Status) bool { return st.Transports[0].NATS.Owned == 8 })
	two.stop(0)
	edge.stop(0)
}

// Nothing of either end changes while it runs, and a reload says so.
func TestReloadOfNATS(t *testing.T) {
	nats := natstest.Start(t)
	edge := startEdge(t, nats.URL())
	edge.await("ready")
	write(t, filepath.Join(edge.dir, "config.hcl"), edgeConfig(nats.URL(), "  ack_timeout = \"7s\"\n")+"router {\n  batch_wait = \"1s\"\n}\n")
	status, out, _ := run(t, t.TempDir(), "reload", "--url", edge.admin())
	if want := "Reloaded. Changed: router.batch_wait\nChanges when the daemon is started again: sink.nats.ack_timeout\n"; status != 0 || out != want {
		t.Errorf("status %d: %s", status, out)
	}
	edge.stop(0)
}

// What NATS does not let us do at the start is told, with status 3, and without the
// password.
func TestNATSAtTheStart(t *testing.T) {
	const secret = "marker-password"
	nats := natstest.Start(t, func(o *server.Options) { o.Username, o.Password = "edge", secret })
	good := "nats://edge:" + secret + "@" + nats.Address()
	edge := startEdge(t, good)
	edge.await("ready")
	edge.stop(0)

	spooled := t.TempDir()
	if err := os.MkdirAll(filepath.Join(spooled, "ingest-data", "spool"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(spooled, "ingest-data", "spool", "1.seg"), "")
	sink := func(url string, more ...string) []string {
		return append(append(append([]string{}, free...), "--set=sink=nats", "--set=sink.nats.url="+url, "--set=sink.nats.partitions=8"), more...)
	}
	read := func(url string) []string {
		return []string{"--set=transport.nats.url=" + url, "--set=admin.listen=127.0.0.1:0"}
	}
	check := func(args ...string) []string { return append([]string{"check", "--connect"}, args...) }
	for name, c := range map[string]struct {
		dir    string
		args   []string
		status int
		says   string
	}{
		"nobody there":                        {"", sink("nats://edge:" + secret + "@127.0.0.1:1"), 3, "open sink nats: nats 127.0.0.1:1: connect: "},
		"nobody there to read":                {"", read("nats://edge:" + secret + "@127.0.0.1:1"), 3, "open transport.nats: nats 127.0.0.1:1: connect: "},
		"somebody else":                       {"", sink("nats://edge:" + secret + "x@" + nats.Address()), 3, "Authorization Violation"},
		"other partitions":                    {"", sink(good, "--set=sink.nats.partitions=9"), 3, "has 8 partitions, and 9 are set; ids would change their partition: set partitions = 8"},
		"messages in a spool":                 {spooled, read(good), 3, "messages are left in the spool, ingest-data/spool, and transport.nats cannot be read with one"},
		"checked, nobody there":               {"", check(sink("nats://127.0.0.1:1")...), 3, "open sink nats: "},
		"checked, nobody there to read":       {"", check(read("nats://127.0.0.1:1")...), 3, "open transport.nats: "},
		"checked":                             {"", check(sink(good)...), 0, "\n# The sink can be written: nats " + nats.Address() + " stream ingest\n"},
		"checked what is read":                {"", check(read(good)...), 0, "\n# The transport can be read: nats " + nats.Address() + " stream ingest\n"},
		"checked, no stream to read":          {"", check(append(read(good), "--set=transport.nats.stream=other")...), 0, "and would wait: there is no stream \"other\""},
		"what each partition takes of memory": {"", append([]string{"check"}, read(good)...), 0, "# Each partition of ingest that transport.nats reads: 3 MiB at the most."},
	} {
		t.Run(name, func(t *testing.T) {
			if c.dir == "" {
				c.dir = t.TempDir()
			}
			status, stdout, stderr := run(t, c.dir, c.args...)
			if all := stdout + stderr; status != c.status || !strings.Contains(all, c.says) || strings.Contains(all, secret) {
				t.Errorf("status %d, not %d with %q:\n%s", status, c.status, c.says, all)
			}
		})
	}
}

// What the API has of a stream is told by these names.
func TestNATSInTheAPI(t *testing.T) {
	text, err := json.Marshal(api.Transport{NATS: &api.NATS{State: "ok"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := `"nats":{"connected":false,"state":"ok","detail":"","partitions":0,"owned":0,"readers":0,"behind":0,"oldest":null}`; !strings.Contains(string(text), want) {
		t.Error(string(text))
	}
}
