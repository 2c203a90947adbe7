package daemon

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// figures are what a scrape gave, by name and labels as they are written.
type figures map[string]float64

var sampleLine = regexp.MustCompile(`(?m)^([a-z_]+(?:\{.*\})?) ([0-9.e+-]+)$`)

func scrape(t *testing.T, admin string) (text string, f figures) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, admin+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", answer.StatusCode, err)
	}
	f = make(figures)
	for _, line := range sampleLine.FindAllStringSubmatch(string(body), -1) {
		if f[line[1]], err = strconv.ParseFloat(line[2], 64); err != nil {
			t.Fatal(err)
		}
	}
	return string(body), f
}

// balance is how many messages are unaccounted for: protocol.md promises 0 at rest.
func (f figures) balance() float64 {
	return f["ingest_messages_received_total"] - f["ingest_messages_stored_total"] - f["ingest_messages_duplicate_total"] -
		f["ingest_messages_dead_lettered_total"] - f["ingest_messages_fenced_total"] - f["ingest_messages_pending"]
}

// rest waits until so many messages are pending, and nothing moves, and checks the
// balance.
func rest(t *testing.T, admin string, pending float64) figures {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		_, f := scrape(t, admin)
		if f["ingest_messages_pending"] == pending && f.balance() == 0 {
			return f
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v messages are pending, not %v; %v are unaccounted for",
				f["ingest_messages_pending"], pending, f.balance())
		}
	}
}

func (f figures) are(t *testing.T, want figures) {
	t.Helper()
	for name, value := range want {
		got, ok := f[name]
		if !ok || got != value {
			t.Errorf("%s is %v (%v), not %v", name, got, ok, value)
		}
	}
}

// load is every kind of message: good ones, and those that are refused at the door,
// by the table, or as a conflict.
func load(t *testing.T, r *refusing) {
	t.Helper()
	r.feed(64) // half of them bad
	c := r.dial()
	defer func() { _ = c.CloseNow() }()
	for i := range 64 { // nameless, so numbered by the server
		r.send(c, fmt.Sprintf(`{"id":%d,"data":%d}`, i%4, i))
	}
	for range 3 {
		r.send(c, `{"id":1,`)
	}
	r.send(c, `{"id":[]}`)
	r.send(c, `{"op":"dance","id":1}`)
	for i := range 12 { // with the four that collect: these are too many at last
		r.send(c, fmt.Sprintf(`{"id":"many-%d"}`, i))
	}
	r.send(c, `{"op":"flush"}`)
	for {
		frame, err := r.receive(c)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(frame, `"op":"flush"`) {
			return
		}
	}
}

// The balance of the metrics holds at rest: under every kind of message, after a
// replay of dead letters, and after a restart; and what they tell is what was sent.
func TestMetricsBalance(t *testing.T) {
	for _, spooled := range []bool{false, true} {
		t.Run(fmt.Sprintf("spool=%v", spooled), func(t *testing.T) {
			args := append(free[:2:2], "--set=router.max_streams=8", "--set=shutdown_timeout=2s", "--set=delivery.retry_max=200ms",
				fmt.Sprintf("--set=delivery.spool=%v", spooled))
			r := startRefusingWith(t, args...)
			load(t, r)
			f := rest(t, r.admin(), 0)
			tooMany := f[`ingest_messages_rejected_total{reason="too_many_streams"}`]
			if !spooled && tooMany != 8 { // a spool takes more, and lets them wait
				t.Errorf("%v messages were of too many streams", tooMany)
			}
			f.are(t, figures{
				"ingest_messages_received_total":                                     64 + 64 + 12 - tooMany,
				"ingest_messages_stored_total":                                       32 + 64 + 12 - tooMany,
				"ingest_messages_duplicate_total":                                    0,
				"ingest_messages_dead_lettered_total":                                32,
				"ingest_dead_letters":                                                32,
				"ingest_ready":                                                       1,
				"ingest_pending_bytes":                                               0,
				`ingest_messages_rejected_total{reason="bad_json"}`:                  3,
				`ingest_messages_rejected_total{reason="bad_message"}`:               1,
				`ingest_messages_rejected_total{reason="unknown_op"}`:                1,
				`ingest_transport_connections_accepted_total{transport="websocket"}`: 2,
				`ingest_stored_after_seconds_count`:                                  32 + 64 + 12 - tooMany,
			})
			for reason := range f {
				if strings.Contains(reason, `rejected_total{reason="rejected"`) || strings.Contains(reason, `"conflict"`) &&
					strings.HasPrefix(reason, "ingest_messages_rejected") {
					t.Errorf("%s was accepted before", reason)
				}
			}

			r.mend()
			r.feed(64) // half of them are duplicates, the others dead letters
			f = rest(t, r.admin(), 0)
			f.are(t, figures{"ingest_messages_duplicate_total": 32, "ingest_messages_stored_total": 32 + 64 + 12 - tooMany + 32})
			r.cli(0, "32 dead letters: 32 stored", "replay", "--all")
			before := f["ingest_messages_received_total"]
			f = rest(t, r.admin(), 0)
			f.are(t, figures{
				"ingest_messages_received_total": before + 32, "ingest_messages_duplicate_total": 64, "ingest_dead_letters": 0,
			})
			conflict(t, r)
			f = rest(t, r.admin(), 0)
			f.are(t, figures{"ingest_messages_dead_lettered_total": 33, "ingest_dead_letters": 1})
			r.stop()
			if spooled {
				backlog(t, r, args)
			}
		})
	}
}

// conflict sends what is stored already, with other content.
func conflict(t *testing.T, r *refusing) {
	t.Helper()
	c := r.dialNamed("phone-7")
	defer func() { _ = c.CloseNow() }()
	r.send(c, `{"id":0,"seq":1,"data":"other"}`)
	r.send(c, `{"op":"flush","id":0}`)
	for _, want := range []string{`"code":"conflict"`, `"op":"flush"`} {
		if frame, err := r.receive(c); err != nil || !strings.Contains(frame, want) {
			t.Fatalf("%s, %v", frame, err)
		}
	}
}

// backlog stops a daemon while its sink stores nothing, and starts another on what
// is left in the spool.
func backlog(t *testing.T, r *refusing, args []string) {
	t.Helper()
	r.process = start(t, r.dir, append(args, "--set=transport.websocket.ack=spooled")...)
	r.await("ready")
	r.exec("BEGIN IMMEDIATE")
	c := r.dialNamed("phone-8")
	for i := range 100 {
		r.send(c, fmt.Sprintf(`{"id":%d,"seq":%d,"data":%d}`, i%4, i+1, i))
	}
	f := rest(t, r.admin(), 100)
	f.are(t, figures{"ingest_messages_received_total": 100, "ingest_spool_messages": 100, "ingest_messages_stored_total": 0})
	_ = c.CloseNow()
	r.stop()
	r.exec("COMMIT")
	r.process = start(t, r.dir, args...)
	r.await("ready")
	f = rest(t, r.admin(), 0)
	f.are(t, figures{
		"ingest_messages_received_total": 100, "ingest_messages_stored_total": 100, "ingest_spool_replayed_messages_total": 100,
	})
	r.stop()
}

// What /metrics answers is clean, and has no label with what a client chose.
func TestMetricsAreClean(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("promtool is missing; tools/needs.sh installs it: %v", err)
	}
	r := startRefusingWith(t, append(free[:2:2], "--set=delivery.spool=true")...)
	r.feed(8)
	c := r.dialNamed("client-of-mine")
	r.send(c, `{"id":"stream-of-mine","op":"op-of-mine"}`)
	if _, err := r.receive(c); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseNow()
	text, _ := scrape(t, r.admin())
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = strings.NewReader(text)
	var out bytes.Buffer
	check.Stdout, check.Stderr = &out, &out
	if err := check.Run(); err != nil || out.Len() > 0 {
		t.Errorf("%v: %s", err, &out)
	}
	if strings.Contains(text, "of-mine") || strings.Contains(text, "phone-7") {
		t.Errorf("a label has what a client chose:\n%s", text)
	}
	r.stop()
}

func startRefusingWith(t *testing.T, args ...string) *refusing {
	t.Helper()
	r := &refusing{t: t, dir: t.TempDir()}
	r.process = start(t, r.dir, args...)
	r.await("ready")
	db, err := sql.Open("sqlite", "file:"+filepath.Join(r.dir, "ingest.db")+"?_pragma=busy_timeout(30000)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // so that a transaction spans several statements
	t.Cleanup(func() { _ = db.Close() })
	r.db = db
	r.spoil()
	return r
}
