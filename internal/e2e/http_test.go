package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// posts is an HTTP client of a daemon with both servers.
type posts struct {
	*daemon
	url    string
	client http.Client
}

// startHTTP runs a daemon with both servers.
func startHTTP(t *testing.T, dir string, args ...string) *posts {
	t.Helper()
	config := "transport \"websocket\" {}\ntransport \"http\" { listen = \"127.0.0.1:0\" }\n"
	if err := os.WriteFile(filepath.Join(dir, "config.hcl"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &posts{daemon: start(t, dir, args...), client: http.Client{Timeout: patience}}
	t.Cleanup(p.client.CloseIdleConnections)
	p.url = posting.FindStringSubmatch(p.says("ready: "))[1]
	return p
}

// outcome is what a request is told.
type outcome struct {
	status                    int
	Messages, Stored, Spooled int
	Errors                    []struct {
		Index, Line int
		Code        string
		ID          any
		Seq         int64
	}
	Resume []struct {
		ID  any
		Seq int64
	}
}

func (p *posts) post(query string, body []byte, header ...string) (o outcome, err error) {
	r, err := http.NewRequest("POST", p.url+query, bytes.NewReader(body))
	if err != nil {
		return o, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return o, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.Header.Get("Content-Type") == "application/json" {
		err = json.Unmarshal(b, &o)
	}
	o.status = resp.StatusCode
	return o, err
}

// Named clients post what they have in parts, each part twice, one of them in gzip,
// while others do. An answer comes when the part is stored, without waiting for
// batch_wait, and everything is stored once and in order.
func TestPosts(t *testing.T) {
	bothStores(t, func(t *testing.T, dir string, s *store) {
		p := startHTTP(t, dir, append(s.args, "--set=router.batch_wait=1h")...)
		const clients, parts, lines, ids = 8, 10, 100, 7
		each(t, clients, func(i int) error {
			for part := range parts {
				var body bytes.Buffer
				for n := part*lines + 1; n <= (part+1)*lines; n++ {
					fmt.Fprintf(&body, "{\"id\":\"c%d-%d\",\"seq\":%d,\"data\":\"%d.%d\"}\n", i, n%ids, n, i, n)
				}
				var packed bytes.Buffer
				w := gzip.NewWriter(&packed)
				_, _ = w.Write(body.Bytes())
				if err := w.Close(); err != nil {
					return err
				}
				query := fmt.Sprint("?client=phone-", i)
				for _, send := range []func() (outcome, error){
					func() (outcome, error) { return p.post(query, body.Bytes()) },
					func() (outcome, error) { return p.post(query, packed.Bytes(), "Content-Encoding", "gzip") },
				} {
					if o, err := send(); err != nil || o.status != 200 || o.Stored != lines || len(o.Errors) > 0 {
						return fmt.Errorf("part %d of client %d: %+v, %w", part, i, o, err)
					}
				}
				// What is answered is there.
				var last int64
				err := s.db.QueryRow(fmt.Sprintf("SELECT MAX(seq) FROM messages WHERE client = 'phone-%d'", i)).Scan(&last)
				if err != nil || last != int64((part+1)*lines) {
					return fmt.Errorf("client %d has %d of %d after the answer: %w", i, last, (part+1)*lines, err)
				}
			}
			return nil
		})
		o, err := p.post("?client=phone-1", []byte(`{"op":"resume","id":"c1-3"}`))
		if err != nil || o.status != 200 || len(o.Resume) != 1 || o.Resume[0].Seq != 997 {
			t.Errorf("%+v, %v", o, err)
		}
		o, err = p.post("?client=phone-1", []byte(`{"id":"c1-3","seq":3,"data":"else"} {"id":"c1-3","seq":2000}`))
		if err != nil || o.status != 200 || o.Stored != 1 || len(o.Errors) != 1 || o.Errors[0].Code != "conflict" || o.Errors[0].Seq != 3 {
			t.Errorf("%+v, %v", o, err)
		}
		counts := p.stop()
		if n := clients * parts * lines; counts["stored"] != n+1 || counts["duplicates"] != n || counts["refused"] != 1 {
			t.Errorf("%v", counts)
		}
		rows := s.rows()
		for i, r := range rows {
			var client, n int
			if _, err := fmt.Sscanf(r.data, `"%d.%d"`, &client, &n); err != nil {
				if r.seq != 2000 {
					t.Fatalf("%+v: %v", r, err)
				}
				continue
			}
			if r.id != fmt.Sprintf("c%d-%d", client, n%ids) || r.seq != int64(n) || i > 0 && rows[i-1].id == r.id && rows[i-1].seq >= r.seq {
				t.Errorf("%+v", r)
			}
		}
		if len(rows) != clients*parts*lines+1 {
			t.Errorf("%d rows", len(rows))
		}
		if n := s.number("SELECT COUNT(*) FROM streams WHERE status <> 'open'"); n > 0 {
			t.Errorf("%d streams are done: a request ends none", n)
		}
	})
}

// A drain answers what it has accepted, and what comes later is turned away.
func TestTermWhileItIsPosted(t *testing.T) {
	dir := t.TempDir()
	s := sqliteStore(t, dir)
	p := startHTTP(t, dir, "--set=router.batch_wait=1h")
	const clients = 16
	stored := make([]int, clients)
	some := make(chan struct{}, clients)
	wait := begin(t, clients, func(i int) error {
		told := false
		for n := 1; ; n++ {
			o, err := p.post(fmt.Sprint("?client=c", i), fmt.Appendf(nil, `{"id":"s%d","seq":%d,"data":"%d"}`, i%4, n, n))
			if err != nil || o.status != 200 { // refused, or the connection is closed
				if err == nil && o.status != 503 {
					return fmt.Errorf("status %d", o.status)
				}
				return nil
			}
			stored[i] = n
			if !told {
				told = true
				some <- struct{}{}
			}
		}
	})
	for range clients {
		select {
		case <-some:
		case <-time.After(patience):
			t.Fatal("nothing is stored")
		}
	}
	p.term()
	wait()
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	for i, n := range stored {
		have := s.number(fmt.Sprintf("SELECT COUNT(*) FROM messages WHERE client = 'c%d'", i))
		if have < n || have > n+1 {
			t.Errorf("client %d was told %d, stored are %d", i, n, have)
		}
	}
	p.quiet()
}

// With the spool and ack = "spooled" a request is answered while there is no
// database at all, and its messages outlive kill -9.
func TestPostsIntoTheSpool(t *testing.T) {
	dir := t.TempDir()
	s := sqliteStore(t, dir)
	args := []string{"--set=delivery.spool=true", "--set=transport.http.ack=spooled", "--set=router.batch_wait=1h"}
	p := startHTTP(t, dir, args...)
	o, err := p.post("?client=c", []byte(strings.Repeat(`{"id":1}`, 100)))
	if err != nil || o.status != 200 || o.Spooled != 100 || o.Stored != 0 {
		t.Errorf("%+v, %v", o, err)
	}
	p.kill()
	p = startHTTP(t, dir, args...)
	if counts := p.stop(); counts["replayed"] == 0 {
		t.Errorf("%v", counts)
	}
	if n := s.number("SELECT COUNT(*) FROM messages"); n != 100 {
		t.Errorf("%d rows", n)
	}
}
