package daemon

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
	_ "modernc.org/sqlite" // reads what was stored
)

// database opens the SQLite file of a process.
func database(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "ingest.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// What was accepted before SIGTERM is stored, though no batch was full, its sender
// is told, and the status is 0.
func TestTermDrains(t *testing.T) {
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			dir := t.TempDir()
			p := start(t, dir, append(free, "--set=router.batch_wait=1h")...)
			c := p.dial()
			for i := range 25 {
				p.send(c, fmt.Sprintf(`{"id":%d,"seq":%d,"data":{"n":%d}}`, i%7, i+1, i))
			}
			p.send(c, `{"op":"nonsense","id":1}`) // its answer says that all before it was read
			acked := 0
			for told := false; !told; {
				frame, err := p.receive(c)
				if err != nil {
					t.Fatal(err)
				}
				told = strings.Contains(frame, "unknown_op")
			}
			p.signal(s)
			var err error
			for err == nil {
				var frame string
				if frame, err = p.receive(c); strings.Contains(frame, `"ack"`) {
					acked++
				}
			}
			if websocket.CloseStatus(err) != websocket.StatusGoingAway {
				t.Errorf("the connection ended with %v", err)
			}
			if status := p.wait(); status != 0 {
				t.Errorf("status %d", status)
			}
			var rows int
			if err := database(t, dir).QueryRow("SELECT count(*) FROM messages").Scan(&rows); err != nil || rows != 25 || acked < 7 {
				t.Errorf("%d of 25 rows, acks for %d of 7 streams, %v", rows, acked, err)
			}
		})
	}
}

// While another process has the database locked, nothing can be stored. What the
// drain gives up is in a file that the log names, and the status is 1.
func TestUndelivered(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, append(free, "--set=shutdown_timeout=300ms")...)
	c := p.dial()
	lock(t, dir)
	p.send(c, `[{"id":1,"data":"kept"},{"op":"nonsense","id":1}]`)
	if _, err := p.receive(c); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 1 {
		t.Errorf("status %d", status)
	}
	files, err := filepath.Glob(filepath.Join(dir, "ingest-data", "undelivered-*.ndjson"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files: %v %v", files, err)
	}
	if text, err := os.ReadFile(files[0]); err != nil || !strings.Contains(string(text), `"kept"`) {
		t.Errorf("%v: the file holds %s", err, text)
	}
	if !strings.Contains(p.log(), filepath.Base(files[0])) {
		t.Errorf("the log does not name %s", files[0])
	}
}

// lock keeps everybody else from writing a process's database.
func lock(t *testing.T, dir string) {
	t.Helper()
	conn, err := database(t, dir).Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.ExecContext(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
}

// Who asks for a reload until the very end does not spoil it.
func TestReloadsUntilTheEnd(t *testing.T) {
	p := start(t, t.TempDir(), free...)
	p.url()
	p.signal(syscall.SIGTERM)
	for over := p.over(); ; p.signal(syscall.SIGHUP) {
		select {
		case <-over:
			if status := p.wait(); status != 0 {
				t.Errorf("status %d", status)
			}
			return
		default:
		}
	}
}

func TestSecondSignal(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, append(free, "--set=shutdown_timeout=1h")...)
	c := p.dial()
	lock(t, dir)
	p.send(c, `[{"id":1,"data":1},{"op":"nonsense","id":1}]`)
	if _, err := p.receive(c); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	p.await("draining")
	resp, err := http.Get(p.admin() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 503 || !strings.Contains(string(body), "not ready: draining") {
		t.Errorf("while it drains, /readyz says %d %s", resp.StatusCode, body)
	}
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 1 {
		t.Errorf("status %d", status)
	}
}

func TestReload(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.hcl")
	const ports = "transport \"websocket\" {\n  listen = \"127.0.0.1:0\"\n}\nadmin {\n  listen = \"127.0.0.1:0\"\n}\n"
	write(t, file, ports+"router {\n  batch_wait = \"1h\"\n}\n")
	p := start(t, dir)
	c := p.dial()
	p.send(c, `{"id":1,"seq":1,"data":1}`)
	p.send(c, `{"id":1,"seq":2,"data":1}`)

	write(t, file, ports+"router {\n  batch_size = 0\n}\n")
	p.signal(syscall.SIGHUP)
	p.await("configuration not reloaded")
	p.await("batch_size: must be at least 1, not 0")

	// The batch that is open is ready with the new size.
	write(t, file, "data_dir = \"elsewhere\"\nsink \"stdout\" {}\n"+ports+
		"log {\n  level = \"debug\"\n}\nrouter {\n  batch_size = 2\n  batch_wait = \"1h\"\n}\n")
	p.signal(syscall.SIGHUP)
	line := p.await("configuration reloaded")
	for _, want := range []string{"log.level", "router.batch_size"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q does not name %s", line, want)
		}
	}
	line = p.await("need a restart")
	for _, want := range []string{"data_dir", "sink"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q does not name %s", line, want)
		}
	}
	if frame, err := p.receive(c); err != nil || frame != `{"op":"ack","id":1,"seq":2}` {
		t.Errorf("answered %s %v", frame, err)
	}
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// Only data comes to the standard output, and every line of the log is JSON where
// that is wanted. The ready line is there whatever the level is.
func TestOutputs(t *testing.T) {
	p := start(t, t.TempDir(), append(free, "--set=sink=stdout", "--set=log.format=json", "--set=log.level=error")...)
	c := p.dial()
	p.send(c, `{"op":"done","id":"a","code":3}`)
	if frame, err := p.receive(c); err != nil || !strings.Contains(frame, `"done"`) {
		t.Fatalf("answered %s %v", frame, err)
	}
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
	lines := 0
	for _, text := range []string{p.stdout.String(), p.log()} {
		for line := range strings.Lines(text) {
			lines++
			if !json.Valid([]byte(line)) {
				t.Errorf("not JSON: %s", line)
			}
		}
	}
	if lines < 2 || !strings.Contains(p.stdout.String(), `"status":"done"`) {
		t.Errorf("the output is %q", p.stdout.String())
	}
}
