package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// feed is a websocket server that the daemon connects to.
type feed struct {
	*httptest.Server
	conns chan *websocket.Conn
}

func newFeed(t *testing.T) *feed {
	f := &feed{conns: make(chan *websocket.Conn, 1000)}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, nil); err == nil {
			f.conns <- c
		}
	}))
	t.Cleanup(f.Close)
	return f
}

// startFeed runs a daemon that connects to f, as the example in the repository does,
// and has a server besides.
func startFeed(t *testing.T, dir string, f *feed, args ...string) *daemon {
	t.Helper()
	example, err := os.ReadFile("../../examples/feed/config.hcl")
	if err != nil {
		t.Fatal(err)
	}
	example = append(example, "\ntransport \"websocket\" {}\n"...)
	if err := os.WriteFile(filepath.Join(dir, "config.hcl"), example, 0o600); err != nil {
		t.Fatal(err)
	}
	const at = "--set=transport.websocket_client.exchange."
	url := "ws" + strings.TrimPrefix(f.URL, "http")
	return start(t, dir, append(args, at+"url="+url, at+"retry_min=1ms", at+"retry_max=5ms")...)
}

// next is the next connection, after what it is asked for.
func (f *feed) next(t *testing.T) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case c := <-f.conns:
		for range 2 {
			if _, b, err := c.Read(ctx); err != nil || !strings.Contains(string(b), `"type":"subscribe"`) {
				t.Fatalf("subscribed is %s, %v", b, err)
			}
		}
		return c
	case <-ctx.Done():
		t.Fatal("the daemon does not connect")
		return nil
	}
}

func send(t *testing.T, c *websocket.Conn, frame string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
		t.Fatal(err)
	}
}

// A feed that drops its connections again and again, between garbage: what the
// daemon has read of it is stored, once and in order, with the spool and without.
func TestFeed(t *testing.T) {
	bothStores(t, func(t *testing.T, dir string, s *store) {
		for _, spool := range []string{"true", "false"} {
			f := newFeed(t)
			d := startFeed(t, dir, f, append(s.args, "--set=delivery.spool="+spool, "--set=router.batch_wait=1h")...)
			const rounds, each, ids = 20, 50, 3
			n := 0
			for round := range rounds {
				c := f.next(t)
				for range each {
					n++
					send(t, c, fmt.Sprintf(`{"channel":"ticker","timestamp":"2024-05-06T21:33:20Z","events":[{"tickers":[`+
						`{"product_id":"%s-%d","type":"ticker","n":%d}]}]}`, spool, n%ids, n))
				}
				switch round % 3 {
				case 0:
					send(t, c, `{"channel":17.5} nonsense`)
					send(t, c, `{"channel":"x","data":"`+strings.Repeat("x", 2<<20)+`"}`)
				case 1:
					if err := c.Ping(c.CloseRead(context.Background())); err != nil { // all before it is read
						t.Fatal(err)
					}
					_ = c.CloseNow()
					continue
				}
				// The daemon says goodbye, too: it has read everything.
				if err := c.Close(websocket.StatusGoingAway, "later"); err != nil {
					t.Fatal(err)
				}
			}
			counts := d.stop()
			if counts["stored"] != n || counts["duplicates"] != 0 || counts["refused"] != 0 {
				t.Errorf("%v of %d", counts, n)
			}
			if log := d.log(); !strings.Contains(log, "messages of the feed are not taken") || strings.Count(log, "feed is not connected") > rounds {
				t.Error(log)
			}
		}
		last := map[string]int{}
		rows := s.rows()
		for _, r := range rows {
			var number int
			if _, err := fmt.Sscanf(r.data[strings.Index(r.data, `"n":`):], `"n":%d}`, &number); err != nil || r.client != "" || number <= last[r.id] {
				t.Errorf("%+v after %d: %v", r, last[r.id], err)
			}
			last[r.id] = number
		}
		if len(rows) != 2*20*50 {
			t.Errorf("%d rows", len(rows))
		}
		if n := s.number("SELECT COUNT(*) FROM messages WHERE sender <> 'exchange' OR op <> 'ticker' OR remote NOT LIKE '127.0.0.1:%'"); n > 0 {
			t.Errorf("%d rows are from somewhere else", n)
		}
		if n := s.number("SELECT COUNT(*) FROM streams WHERE status <> 'open'"); n > 0 {
			t.Errorf("%d streams are done: the end of a feed ends none", n)
		}
	})
}

// The example takes what such a feed was recorded to send.
func TestFeedOfTheExample(t *testing.T) {
	dir := t.TempDir()
	s := sqliteStore(t, dir)
	f := newFeed(t)
	d := startFeed(t, dir, f)
	recorded, err := os.ReadFile("../../transport/testdata/feeds/ticker.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	c := f.next(t)
	lines := 0
	for line := range strings.Lines(string(recorded)) {
		if strings.HasPrefix(line, `{"channel"`) {
			send(t, c, line)
			lines++
		}
	}
	if err := c.Close(websocket.StatusGoingAway, "later"); err != nil {
		t.Fatal(err)
	}
	if counts := d.stop(); counts["stored"] != lines {
		t.Errorf("%v of %d", counts, lines)
	}
	have := ""
	for _, r := range s.rows() {
		have += r.id + " "
	}
	if have != "BTC-USD BTC-USD ETH-USD heartbeats subscriptions " {
		t.Errorf("stored are %s", have)
	}
	if n := s.number("SELECT COUNT(*) FROM messages WHERE id = 'BTC-USD' AND op = 'ticker' AND json_extract(data, '$.price') LIKE '632%'"); n != 2 {
		t.Errorf("%d tickers", n)
	}
}

// A daemon whose feed is not there starts, waits, and ends when it is told to.
func TestFeedThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	f := newFeed(t)
	f.Close()
	d := startFeed(t, dir, f)
	if ready := d.says("ready: "); !strings.Contains(ready, "listening=ws://127.0.0.1:") || !strings.Contains(ready, "feeds=ws://127.0.0.1:") {
		t.Error(ready)
	}
	d.says("feed is not connected")
	if counts := d.stop(); counts["stored"] != 0 {
		t.Errorf("%v", counts)
	}
}
