package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/engine"
)

// follow opens a request that lasts.
func follow(t *testing.T, s *Server, path string) (*bufio.Reader, *http.Response) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return bufio.NewReader(resp.Body), resp
}

// next reads the next event of this name.
func next(t *testing.T, lines *bufio.Reader, name string, into any) {
	t.Helper()
	for is := false; ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("no event %s: %v", name, err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok && is {
			if err := json.Unmarshal([]byte(data), into); err != nil {
				t.Fatal(err)
			}
			return
		}
		is = is && line != "\n" || line == "event: "+name+"\n"
	}
}

func TestEvents(t *testing.T) {
	d := newDaemon(t)
	s := serve(t, Access{}, d)
	lines, resp := follow(t, s, "/api/v1/events?tail=1&id=b")
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || kind != "text/event-stream" {
		t.Fatalf("%d %s", resp.StatusCode, kind)
	}
	if line, err := lines.ReadString('\n'); line != "retry: 2000\n" || err != nil {
		t.Errorf("it begins with %q, %v", line, err)
	}
	var status api.StatusEvent
	next(t, lines, "status", &status)
	if status.Status.Summary != "fine" || status.Status.Now.IsZero() || len(status.Point) != len(api.Series()) {
		t.Errorf("status %+v", status)
	}
	for i := range 150 {
		for _, id := range []string{"a", "b"} {
			m := engine.Message{ID: id, Seq: int64(i + 1), Client: "c", Data: []byte("{ \"x\":\n\"<b>\" }")}
			if err := d.Tap.Route(t.Context(), m, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	var seen api.MessagesEvent
	next(t, lines, "messages", &seen)
	if len(seen.Messages) != 100 || seen.Dropped != 50 || seen.Messages[0].ID != "b" || seen.Messages[99].Seq != 100 || string(seen.Messages[0].Data) != `{"x":"<b>"}` {
		t.Errorf("%d messages, %d dropped, the first %+v", len(seen.Messages), seen.Dropped, seen.Messages[0])
	}
	var streams api.Streams
	for len(streams.Streams) == 0 {
		next(t, lines, "streams", &streams)
	}
	if streams.Streams[0].Accepted != 150 {
		t.Errorf("streams %+v", streams)
	}
}

// Nothing is made for nobody.
func TestNobodyLooks(t *testing.T) {
	asked := make(chan struct{}, 1)
	d := newDaemon(t)
	sampled := make(chan struct{}, 1)
	status, sample := d.Status, d.Sample
	d.Status = func(ctx context.Context) api.Status { asked <- struct{}{}; return status(ctx) }
	d.Sample = func() Sample {
		select {
		case sampled <- struct{}{}:
		default:
		}
		return sample()
	}
	serve(t, Access{}, d)
	for range 2 {
		<-sampled // and the history is filled all the same
	}
	if len(asked) > 0 {
		t.Error("the status is asked for though nobody looks")
	}
}

// What lasts ends at once when the server closes, also where its reader reads
// nothing, and gives its place back.
func TestCloseEndsWhatLasts(t *testing.T) {
	d := newDaemon(t)
	s := serve(t, Access{}, d)
	events, _ := follow(t, s, "/api/v1/events")
	tail, _ := follow(t, s, "/api/v1/tail")

	// One that asks and never reads, until its writes wait.
	stuck, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stuck.Close() }()
	_ = stuck.(*net.TCPConn).SetReadBuffer(4 << 10)
	fmt.Fprintf(stuck, "GET /api/v1/tail HTTP/1.1\r\nHost: localhost\r\n\r\n")
	dropped := false
	large := engine.Message{ID: "a", Data: []byte(`"` + strings.Repeat("x", 500<<10) + `"`)}
	for i := 0; i < 1000 && !dropped; i++ {
		large.Seq = int64(i + 1)
		large.Client = "c"
		if err := d.Tap.Route(t.Context(), large, nil); err != nil {
			t.Fatal(err)
		}
		if looks := d.Tap.looked.Load(); looks != nil {
			for _, l := range *looks {
				l.mu.Lock()
				dropped = dropped || l.dropped > 0
				l.mu.Unlock()
			}
		}
	}
	if !dropped {
		t.Fatal("a tail that nobody reads drops nothing")
	}
	s.grace = time.Hour // who waited for those that last would wait so long
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for _, r := range []*bufio.Reader{events, tail} {
		for _, err := r.ReadString('\n'); err == nil; {
			_, err = r.ReadString('\n')
		}
	}
	if len(s.events)+len(s.tails) != 0 || d.Tap.looked.Load() != nil {
		t.Errorf("%d events and %d tails are left", len(s.events), len(s.tails))
	}
}

func TestPlacesAreBounded(t *testing.T) {
	s := serve(t, Access{}, newDaemon(t))
	var first *http.Response
	for i := range mostTails {
		if _, resp := follow(t, s, "/api/v1/tail"); i == 0 {
			first = resp
		}
	}
	if _, resp := follow(t, s, "/api/v1/tail"); resp.StatusCode != 503 {
		t.Errorf("one more tail: status %d", resp.StatusCode)
	}
	if _, resp := follow(t, s, "/api/v1/events"); resp.StatusCode != 200 {
		t.Errorf("tails take the places of events: status %d", resp.StatusCode)
	}
	_ = first.Body.Close()
	for deadline := time.Now().Add(patience); ; {
		if _, resp := follow(t, s, "/api/v1/tail"); resp.StatusCode == 200 {
			return
		} else if _ = resp.Body.Close(); time.Now().After(deadline) {
			t.Fatal("the place of a tail that is gone stays taken")
		}
	}
}

// The client reads what the server writes, and hears of what it missed.
func TestTailClient(t *testing.T) {
	d := newDaemon(t)
	s := serve(t, Access{Token: token}, d)
	c, err := api.NewClient(s.URL(), token)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stop := make(chan struct{})
	routed := make(chan struct{})
	go func() {
		defer close(routed)
		for seq := int64(1); ; seq++ {
			select {
			case <-stop:
				return
			default:
				_ = d.Tap.Route(ctx, engine.Message{ID: "a", Client: "c", Seq: seq, Data: []byte("not JSON")}, nil)
			}
		}
	}()
	var last int64
	n := 0
	for m, err := range c.Tail(ctx, "a") {
		if err != nil {
			t.Fatal(err)
		}
		if m.Dropped > 0 {
			break // the reader is slower than the loop above
		}
		if m.Seq <= last || m.ID != "a" || string(m.Data) != `"not JSON"` {
			t.Fatalf("after %d came %+v", last, m)
		}
		if last, n = m.Seq, n+1; n == 1000 {
			break
		}
	}
	close(stop)
	<-routed
	if n == 0 {
		t.Error("nothing came")
	}
}

// An answer that is under way when the server closes is given.
func TestCloseWaitsForAnswers(t *testing.T) {
	d := newDaemon(t)
	asked, answer := make(chan struct{}), make(chan struct{})
	d.Status = func(context.Context) api.Status {
		close(asked)
		<-answer
		return api.Status{}
	}
	s := serve(t, Access{}, d)
	s.grace = time.Hour
	got := make(chan error, 1)
	go func() {
		resp, err := http.Get(s.URL() + "/api/v1/status")
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		got <- err
	}()
	<-asked
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	<-s.ctx.Done()
	close(answer)
	if err := errors.Join(<-got, <-closed); err != nil {
		t.Error(err)
	}
	if s := open(t, Access{}, newDaemon(t)); s.grace != closeGrace {
		t.Errorf("answers have %v", s.grace)
	}
}
