package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// server is a websocket server that takes the load as a real one would, and notes
// what came.
type server struct {
	mu      sync.Mutex
	frames  int
	streams map[string][]int // "connection id": the counts, in order
	clients map[string]bool
	silent  bool   // nothing is answered
	refuse  string // what is answered to every message instead
}

// wire is a message as it is sent.
type wire struct {
	Op   string `json:"op"`
	ID   int    `json:"id"`
	Seq  int    `json:"seq"`
	Data struct {
		C, N int
		Pad  string
	} `json:"data"`
}

func (s *server) start(t *testing.T) string {
	t.Helper()
	s.streams, s.clients = map[string][]int{}, map[string]bool{}
	h := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(rw, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		c.SetReadLimit(-1)
		s.mu.Lock()
		s.clients[r.URL.Query().Get("client")] = true
		s.mu.Unlock()
		s.serve(r.Context(), t, c)
	}))
	t.Cleanup(h.Close)
	return "ws" + strings.TrimPrefix(h.URL, "http") + "/ws"
}

func (s *server) serve(ctx context.Context, t *testing.T, c *websocket.Conn) {
	last := map[int]int{}
	for {
		_, frame, err := c.Read(ctx)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.frames++
		refuse := s.refuse
		s.mu.Unlock()
		for line := range strings.Lines(string(frame)) {
			var m wire
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Errorf("%v: %s", err, line)
			}
			answer := `{"op":"flush"}`
			switch {
			case refuse != "":
				answer = refuse
			case m.Op == "flush":
				for id, seq := range last {
					_ = c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"op":"ack","id":%d,"seq":%d}`, id, seq))
				}
			default:
				s.mu.Lock()
				key := fmt.Sprint(m.Data.C, " ", m.ID)
				s.streams[key] = append(s.streams[key], m.Data.N)
				s.mu.Unlock()
				if m.Seq != 0 {
					last[m.ID] = m.Seq
				}
				continue
			}
			if !s.silent {
				_ = c.Write(ctx, websocket.MessageText, []byte(answer))
			}
		}
	}
}

// seen is how many messages came, of how many ids. Those of a connection and an id
// must be numbered without a gap.
func (s *server) seen(t *testing.T) (messages, ids int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	distinct := map[string]bool{}
	for key, counts := range s.streams {
		for i, n := range counts {
			if n != firstSeq+i {
				t.Errorf("%s: %d comes as number %d", key, n, i)
			}
		}
		messages += len(counts)
		_, id, _ := strings.Cut(key, " ")
		distinct[id] = true
	}
	return messages, len(distinct)
}

func run(t *testing.T, c Config) (Result, error) {
	t.Helper()
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Run()
}

// Everything is sent that was asked for, rounded up to whole frames, in order.
func TestLoad(t *testing.T) {
	for name, c := range map[string]Config{
		"one a frame": {Conns: 3, IDs: 10, Count: 100, Size: 150, PerFrame: 1},
		"fifty":       {Conns: 2, IDs: 7, Count: 150, Size: 150, PerFrame: 50},
		"numbered":    {Conns: 3, IDs: 10, Count: 100, Size: 150, PerFrame: 2, Numbered: true},
		"shared":      {Conns: 5, IDs: 1, Shared: true, Count: 100, Size: 150, PerFrame: 1, Numbered: true},
		"large":       {Conns: 1, IDs: 1, Count: 3, Size: 70_000, PerFrame: 1},
		"medium":      {Conns: 1, IDs: 1, Count: 3, Size: 1000, PerFrame: 1, Burst: 2},
		"a rate":      {Conns: 70, IDs: 70, Count: 700, Size: 100, PerFrame: 1, Rate: 100_000},
		"closing":     {Conns: 70, IDs: 100, Count: 700, Size: 100, PerFrame: 1, Close: true, Burst: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{}
			c.URL = s.start(t)
			result, err := run(t, c)
			if err != nil {
				t.Fatal(err)
			}
			messages, ids := s.seen(t)
			if messages != result.Sent || result.Sent != c.Sent() || result.Sent < c.Count ||
				result.Sent >= c.Count+c.Conns*c.PerFrame || result.Elapsed <= 0 {
				t.Errorf("%d came, and it says %+v", messages, result)
			}
			if want := min(c.IDs, c.Count); ids != want && name != "fifty" {
				t.Errorf("%d ids came, not %d", ids, want)
			}
			if c.Numbered != (result.Acked == result.Sent) || c.Numbered != s.clients["bench-0"] {
				t.Errorf("%d are acked; the clients are %v", result.Acked, s.clients)
			}
			frames := messages / c.PerFrame
			if !c.Close {
				frames += c.Conns
			}
			if s.frames != frames {
				t.Errorf("%d frames came, not %d", s.frames, frames)
			}
		})
	}
}

// Nobody is waited for who answers nothing.
func TestSilent(t *testing.T) {
	s := &server{silent: true}
	result, err := run(t, Config{
		URL: s.start(t), Conns: 2, IDs: 2, Count: 10, Size: 150, PerFrame: 1, Numbered: true, Silent: true,
	})
	if err != nil || result.Sent != 10 {
		t.Errorf("%+v, %v", result, err)
	}
}

// A load that is refused is an error, which says what the server said.
func TestRefused(t *testing.T) {
	for _, answer := range []string{
		`{"op":"error","code":"overloaded"}`, `{"op":"ack","id":1000000,"seq":1000000000}`, `{"op":"ack","id":5,"seq":7}`,
	} {
		s := &server{refuse: answer}
		_, err := run(t, Config{URL: s.start(t), Conns: 1, IDs: 1, Count: 10, Size: 150, PerFrame: 1})
		if err == nil || !strings.Contains(err.Error(), answer) {
			t.Errorf("%s: %v", answer, err)
		}
	}
	s := &server{refuse: `{"op":"flush"}`} // before there was an ack
	_, err := run(t, Config{URL: s.start(t), Conns: 1, IDs: 1, Count: 10, Size: 150, PerFrame: 1, Numbered: true})
	if err == nil || !strings.Contains(err.Error(), "10 messages were sent and 0 acked") {
		t.Errorf("the error is %v", err)
	}
}

// A server that does not speak websocket, or is not there, is an error.
func TestNoServer(t *testing.T) {
	h := httptest.NewServer(http.NotFoundHandler())
	c := Config{URL: h.URL, Conns: 2, IDs: 2, Count: 10, Size: 150, PerFrame: 1}
	if _, err := Open(c); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("the error is %v", err)
	}
	h.Close()
	if _, err := Open(c); err == nil {
		t.Error("nobody is there, and it says nothing")
	}
}

// Every fault of a configuration is told.
func TestValidate(t *testing.T) {
	err := Config{Conns: 5, IDs: 2, Burst: -1, Size: 20, Close: true, Silent: true}.Validate()
	for _, part := range []string{"of their own", "count", "in a frame", "burst", "at least 100 bytes", "either"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}
	if err := (Config{Conns: 1, IDs: 1, Count: 1, PerFrame: 1, Size: 200, Numbered: true, Close: true}).Validate(); err == nil {
		t.Error("nobody would ack")
	}
}

// Messages are as large as they should be, and their data can be read again.
func TestSample(t *testing.T) {
	for _, size := range []int{100, 150, 16_000} {
		message, data := Sample(size)
		if len(message) != size || !json.Valid(message) {
			t.Errorf("%d bytes: %s", len(message), message)
		}
		if conn, n, ok := Numbers([]byte(data)); conn != 0 || n != 0 || !ok {
			t.Errorf("%d, %d, %v: %s", conn, n, ok, data)
		}
	}
	if conn, n, ok := Numbers([]byte(`{"c":10017,"n":1000000042,"pad":""}`)); conn != 17 || n != 42 || !ok {
		t.Error(conn, n, ok)
	}
	for _, data := range []string{"", "null", `{"c":1}`, `{"c":x,"n":1}`, `{"n":1}`} {
		if _, _, ok := Numbers([]byte(data)); ok {
			t.Errorf("%q has numbers", data)
		}
	}
}

// Every id belongs to one connection, or to all.
func TestIDs(t *testing.T) {
	for _, shared := range []bool{false, true} {
		c := Config{Conns: 7, IDs: 30, Shared: shared}
		owners := map[int]int{}
		for conn := range c.Conns {
			set := c.idsOf(conn)
			for k := range 2 * set.of {
				id, count := set.at(k)
				if count != k/set.of {
					t.Errorf("connection %d: message %d has count %d", conn, k, count)
				}
				if place, ok := set.place(id); !ok || place < 0 || place >= set.of {
					t.Errorf("connection %d: id %d has place %d, %v", conn, id, place, ok)
				}
				if count == 0 {
					owners[id]++
				}
			}
			if _, ok := set.place(c.IDs + conn); ok {
				t.Error("an id that is none has a place")
			}
		}
		want := 1
		if shared {
			want = c.Conns
		}
		for id := range c.IDs {
			if owners[id] != want {
				t.Errorf("id %d has %d owners, not %d", id, owners[id], want)
			}
		}
	}
}
