package daemon

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/go-hclog"
	_ "modernc.org/sqlite"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/sqlite"
	"github.com/ingestd/ingestd/transport"
)

// blockedSink is one that an operator must mend.
type blockedSink struct{}

func (blockedSink) Close() error { return nil }
func (blockedSink) Write(context.Context, []engine.Batch) ([]engine.Result, error) {
	return nil, engine.Blocked(errors.New("no such table"))
}

// serveEngine runs an engine and a transport with the token. stop drains them and
// gives the engine's error.
func serveEngine(t *testing.T, sink engine.Sink, dir string) (e *engine.Engine, url string, stop func() error) {
	t.Helper()
	o := engine.DefaultOptions()
	o.DataDir, o.RestoreToken = dir, "the token"
	o.BatchWait, o.ShutdownTimeout = 5*time.Millisecond, 10*time.Second
	if _, is := sink.(blockedSink); is {
		o.ShutdownTimeout = 50 * time.Millisecond
	}
	e, err := engine.New(sink, o)
	if err != nil {
		t.Fatal(err)
	}
	c := transport.DefaultWebSocketConfig()
	c.Listen, c.RestoreToken, c.OnDisconnect = "127.0.0.1:0", o.RestoreToken, transport.DisconnectKeep
	w, err := transport.ListenWebSocket(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran, served := make(chan error, 1), make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	go func() { served <- w.Serve(ctx, e) }()
	return e, w.URL(), func() error {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		return <-ran
	}
}

// What a drain could not store is in a file; ingestd send brings it back to a
// server that can: each message once, with its number, its name and its times. To
// send the file again changes nothing.
func TestSendUndelivered(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	e, url, stop := serveEngine(t, blockedSink{}, dir)
	phone, nobody := dialTo(t, ctx, url+"?client=phone"), dialTo(t, ctx, url)
	for n := range 50 {
		phone(`{"id":"id %d","seq":%d,"code":%d,"data":{ "n":%d}}`, n%3, n+1, n, n)
	}
	phone(`{"op":"done","id":"id 1","seq":100,"code":7,"data":"end"} {"id":"id 2","seq":100}`)
	nobody(`{"id":17,"data":[1, 2],"time":1715050000.123456} {"id":17,"data":"\ud800"} {"op":"flush","id":17}`)
	for tick := time.NewTicker(time.Millisecond); e.Stats().Accepted < 53; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("accepted: %d", e.Stats().Accepted)
		}
	}
	if err := stop(); !errors.Is(err, engine.ErrUndelivered) {
		t.Fatalf("the drain: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "undelivered-*.ndjson"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v: %v", files, err)
	}

	config := sqlite.DefaultConfig()
	config.Path = filepath.Join(dir, "ingest.db")
	var first []string
	for i := range 2 {
		sink, err := sqlite.Open(ctx, config, hclog.NewNullLogger())
		if err != nil {
			t.Fatal(err)
		}
		_, url, stop := serveEngine(t, sink, dir)
		status, stderr := sendWith(t, ctx, strings.NewReader(""), "--url="+url, files[0])
		if status != 0 || !strings.HasPrefix(stderr, "sent 54, acked 54, refused 0, not acked 0: ") {
			t.Errorf("status %d: %s", status, stderr)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		got := storedRows(t, ctx, config.Path)
		if i == 0 {
			first = got
		} else if !slices.Equal(got, first) {
			t.Errorf("sent again, there is\n%s\nand was\n%s", strings.Join(got, "\n"), strings.Join(first, "\n"))
		}
	}
	var want []string
	for n := range 50 {
		want = append(want, fmt.Sprintf(`id %d|%d|phone|report|%d|{ "n":%d}`, n%3, n+1, n, n))
	}
	want = append(want, `id 2|100|phone|report|0|null`, `17|own||report|0|"\ud800"`, `17|own||report|0|[1, 2]`,
		`17 open 2`, `id 0 open 17`, `id 1 done 17 7 "end"`, `id 2 open 17`)
	slices.Sort(want)
	if !slices.Equal(first, want) {
		t.Errorf("stored\n%s\nwant\n%s", strings.Join(first, "\n"), strings.Join(want, "\n"))
	}
}

// dialTo connects without the client: it gives what sends a frame.
func dialTo(t *testing.T, ctx context.Context, url string) func(format string, args ...any) {
	t.Helper()
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return func(format string, args ...any) {
		t.Helper()
		if err := c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
			t.Fatal(err)
		}
	}
}

// storedRows are the rows of both tables as lines, sorted.
func storedRows(t *testing.T, ctx context.Context, path string) (lines []string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(ctx, `
		SELECT id || '|' || iif(seq < 4611686018427387904, seq, 'own') || '|' || client || '|' || op || '|' || code || '|' || data FROM messages
		UNION ALL SELECT id || ' ' || status || ' ' || messages || coalesce(' ' || end_code || ' ' || end_data, '') FROM streams`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}
