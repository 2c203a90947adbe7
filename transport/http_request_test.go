package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport/transporttest"
)

// What is answered before a body is read.
func TestRequests(t *testing.T) {
	s := serveHTTP(t, nil)
	for _, c := range []struct {
		name, method, query string
		status              int
		text                string
	}{
		{"GET", "GET", "", 405, "POST"},
		{"PUT", "PUT", "", 405, "POST"},
		{"another path", "POST", "x", 404, "posted to /v1/messages"},
		{"a name of 65 bytes", "POST", "?client=" + strings.Repeat("x", 65), 400, "at most 64 bytes"},
		{"two names", "POST", "?client=a&client=b", 400, "twice"},
		{"a malformed query", "POST", "?client=%zz", 400, "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.t = t
			got, err := s.do(c.method, c.query, `{"id":1}`)
			if err != nil {
				t.Fatal(err)
			}
			s.wantText(got, c.status, c.text)
			if allow := got.header.Get("Allow"); (allow == "POST, OPTIONS") != (c.status == 405) {
				t.Errorf("Allow is %q", allow)
			}
		})
	}
	s.t = t
	if n := len(s.router.Messages()); n > 0 {
		t.Errorf("%d messages are routed", n)
	}
	if st := s.Stats(); st.Refused != 6 {
		t.Errorf("%+v", st)
	}
}

// A page may send where its origin is listed, and its browser is told so.
func TestCORS(t *testing.T) {
	const page, other = "https://app.example.com", "https://evil.example.com"
	s := serveHTTP(t, func(c *HTTPConfig) {
		c.Origins = []string{page}
		c.Authenticate = func(r *http.Request) (Identity, error) {
			if r.Header.Get("Authorization") == "" {
				return Identity{}, errors.New("nobody")
			}
			return Identity{Name: "page"}, nil
		}
	})
	ask := func(origin string) answered {
		t.Helper()
		got, err := s.do("OPTIONS", "", "", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := ask(page)
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": page, "Access-Control-Allow-Methods": "POST",
		"Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding", "Vary": "Origin",
	} {
		if got.status != 204 || got.header.Get(name) != want {
			t.Errorf("%d %s: %q", got.status, name, got.header.Get(name))
		}
	}
	got = ask(other)
	s.wantText(got, 403, "origin")
	if got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error(got.header)
	}
	for _, c := range []struct {
		origin, token string
		status        int
	}{{page, "x", 200}, {page, "", 401}, {other, "x", 403}, {"", "x", 200}, {"", "", 401}} {
		var header []string
		if c.origin != "" {
			header = append(header, "Origin", c.origin)
		}
		if c.token != "" {
			header = append(header, "Authorization", c.token)
		}
		got := s.post("", `{"id":1}`, header...)
		allowed := got.header.Get("Access-Control-Allow-Origin")
		if got.status != c.status || (allowed == page) != (c.origin == page) || allowed != "" && allowed != page {
			t.Errorf("%+v: %d, allowed is %q: %s", c, got.status, allowed, got.body)
		}
	}
	got, err := s.do("OPTIONS", "", "")
	if err != nil || got.status != 204 || got.header.Get("Allow") != "POST, OPTIONS" {
		t.Errorf("%d %v %v", got.status, got.header, err)
	}
	if m := s.router.Messages()[0]; m.Sender != "page" {
		t.Errorf("%+v", m)
	}
}

// A token may be for some ids only.
func TestForbiddenIDs(t *testing.T) {
	s := serveHTTP(t, func(c *HTTPConfig) {
		c.Auth = &AuthConfig{Tokens: []TokenConfig{{Name: "roof", Value: "0123456789abcdef", IDs: []string{"roof-*"}}}}
	})
	token := []string{"Authorization", "Bearer 0123456789abcdef"}
	const no = `"code":"forbidden","error":"` + textForbidden + `","retry":false`
	s.want(s.post("", `{"id":"roof-1"} {"id":"cellar-1","seq":3}`, token...), 200,
		`{"messages":2,"stored":1,"errors":[{"index":1,"line":1,`+no+`,"id":"cellar-1","seq":3}]}`)
	s.want(s.post("", `{"op":"done","id":7}`, token...), 403, `{"messages":1,"stored":0,"errors":[{"index":0,"line":1,`+no+`,"id":7}]}`)
	s.want(s.post("", `{"id":7} x`, token...), 400, `{"messages":2,"stored":0,"errors":[{"index":0,"line":1,`+no+
		`,"id":7},{"index":1,"line":1,"code":"bad_json","error":"not JSON: at byte 9: a value is expected","retry":false}]}`)
	s.wantText(s.post("", `{"id":"roof-1"}`), 401, "token")
}

// What was accepted of a client that goes away is stored, and the request ends.
func TestClientGone(t *testing.T) {
	s := serveHTTP(t, nil)
	s.router.Hold()
	c := s.raw()
	c.send(postHead + "Content-Length: 17\r\n\r\n" + `{"id":1} {"id":2}`)
	s.waitFor("all", func(st transporttest.State) bool { return len(st.Messages) == 4 })
	_ = c.conn.Close()
	s.eventually("the end", func() bool {
		s.gate.places.mu.Lock()
		defer s.gate.places.mu.Unlock()
		return s.gate.places.taken == 0
	})
	s.router.Release()
	s.waitFor("all to be settled", func(st transporttest.State) bool { return st.Pending == 0 })

	// One that has gone while there was no room is not waited for.
	s.router.Block()
	c = s.raw()
	c.send(postHead + "Content-Length: 17\r\n\r\n" + `{"id":3} {"id":4}`)
	s.waitFor("Route to block", func(st transporttest.State) bool { return st.Blocked == 1 })
	_ = c.conn.Close()
	s.waitFor("Route to be given up", func(st transporttest.State) bool { return st.Blocked == 0 })
	s.router.Unblock()
}

// A client that goes away while its flushes are waited for leaves nothing unflushed.
func TestClientGoneWhileItIsFlushed(t *testing.T) {
	s := serveHTTP(t, nil)
	s.router.Hold()
	const n = 2 * maxFlushes
	var body strings.Builder
	for i := range n {
		fmt.Fprintf(&body, "{\"id\":%d}\n", i)
	}
	c := s.raw()
	c.send("%sContent-Length: %d\r\n\r\n%s", postHead, body.Len(), body.String())
	s.waitFor("the first flushes", func(st transporttest.State) bool { return len(st.Messages) == n+maxFlushes })
	_ = c.conn.Close()
	s.waitFor("the others", func(st transporttest.State) bool { return len(st.Messages) == 2*n })
}

// In a drain nothing more is routed, and what was is settled and told.
func TestDrainOfRequests(t *testing.T) {
	s := serveHTTP(t, nil)
	s.router.Hold()
	s.router.Block("blocked")
	partly := s.posting("", `{"id":1,"seq":4} {"id":"blocked","seq":5} {"id":2} x`)
	blocked := s.posting("?client=c", `{"id":"blocked"}`)
	undelivered := s.posting("?client=c", `{"id":8,"seq":7} {"id":8}`)
	kept := s.raw() // has had an answer, and sends another request in time
	kept.send(postHead + "Content-Length: 2\r\n\r\n[]")
	s.want(kept.answer(), 200, `{"messages":0,"stored":0}`)
	kept.send(postHead + "Content-Length: 9\r\n\r\n{")
	chunked := s.raw()
	chunked.send(postHead + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
	s.waitFor("two to block", func(st transporttest.State) bool { return st.Blocked == 2 && len(st.Messages) >= 4 })
	s.eventually("two bodies that wait", func() bool { return s.Stats().Bodies >= 3*leastBody && s.Stats().Requests == 6 })
	s.drain()
	for _, c := range []*raw{kept, chunked} {
		got := c.answer()
		s.wantText(got, 503, "not taking messages now")
		if got.header.Get("Retry-After") != "1" || got.header.Get("Connection") != "close" {
			t.Error(got.header)
		}
		c.closed()
	}
	const away = `"code":"unavailable","error":"the server is shutting down: send it again","retry":true`
	got := s.await(blocked)
	s.want(got, 503, `{"messages":1,"stored":0,"errors":[{"index":0,"line":1,`+away+`,"id":"blocked"}]}`)
	if got.header.Get("Retry-After") != "1" {
		t.Error(got.header)
	}
	s.router.Settle("1", 1, nil)
	s.want(s.await(partly), 200, `{"messages":4,"stored":1,"errors":[{"index":1,"line":1,`+away+`,"id":"blocked","seq":5},{"index":2,"line":1,`+away+
		`,"id":2},{"index":3,"line":1,"code":"bad_json","error":"not JSON: at byte 51: a value is expected","retry":false}]}`)
	select {
	case err := <-s.served:
		t.Fatal("Serve returns while something is not settled: ", err)
	default:
	}
	s.router.Settle("8", 3, engine.ErrUndelivered)
	const left = `"code":"undelivered","error":"the server was shut down before this was stored; it keeps it, to be stored later"`
	s.want(s.await(undelivered), 503, `{"messages":2,"stored":0,"errors":[{"index":0,"line":1,`+left+`,"retry":true,"id":8,"seq":7},`+
		`{"index":1,"line":1,`+left+`,"retry":false,"id":8}]}`)
	s.waitServed()
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest("POST", "/", strings.NewReader(`{"id":1}`)))
	if rec.Code != 503 || rec.Header().Get("Connection") != "close" {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
}

// A host program may bring the requests.
func TestMountedHTTP(t *testing.T) {
	c := testHTTPConfig()
	c.Listen = ""
	h, err := ListenHTTP(c)
	if err != nil {
		t.Fatal(err)
	}
	if h.Addr() != nil || !strings.Contains(h.URL(), "no port") || h.Close() != nil {
		t.Errorf("it is at %v, %s", h.Addr(), h.URL())
	}
	mux := http.NewServeMux()
	mux.Handle("/reports", h)
	host := httptest.NewUnstartedServer(mux)
	host.Config.ReadTimeout, host.Config.WriteTimeout = 20*time.Millisecond, 20*time.Millisecond
	host.Start()
	defer host.Close()
	post := func() int {
		resp, err := http.Post(host.URL+"/reports", "", strings.NewReader(`{"id":1}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if status := post(); status != 503 {
		t.Errorf("before Serve: %d", status)
	}
	ctx, drain := context.WithCancel(context.Background())
	served := make(chan error, 1)
	router := transporttest.NewRouter()
	go func() { served <- h.Serve(ctx, router) }()
	for post() != 200 {
		<-time.After(time.Millisecond)
	}
	router.Hold()
	time.AfterFunc(60*time.Millisecond, router.Release) // the host's timeouts are not those of an answer
	if status := post(); status != 200 {
		t.Errorf("after the host's timeouts: %d", status)
	}
	drain()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if status := post(); status != 503 {
		t.Errorf("after Serve: %d", status)
	}
	if err := h.Serve(context.Background(), transporttest.NewRouter()); err == nil {
		t.Error("it serves twice")
	}
}

func TestValidateHTTP(t *testing.T) {
	c := HTTPConfig{Ops: []string{"done"}, MaxBodies: 1}
	c.Listen, c.Path = "7003", "v1"
	err := c.Validate()
	for _, option := range []string{
		"listen", "path", "ops", "ack", "max_body_size", "max_message_size", "max_bodies", "body_timeout", "write_timeout",
	} {
		if err == nil || !strings.Contains(err.Error(), option+":") {
			t.Errorf("no fault of %s: %v", option, err)
		}
	}
	if err := DefaultHTTPConfig().Validate(); err != nil {
		t.Error(err)
	}
	if _, err := ListenHTTP(c); err == nil {
		t.Error("it listens")
	}
}

// Many requests, on many connections and on few.
func TestManyRequests(t *testing.T) {
	s := serveHTTP(t, nil)
	const senders, each = 20, 50
	results := make(chan string, senders)
	for i := range senders {
		go func() {
			for j := range each {
				a, err := s.do("POST", fmt.Sprint("?client=c", i), fmt.Sprintf("{\"id\":%d,\"seq\":%d}\n{\"id\":\"x\"}", j%5, j+1))
				if err != nil || a.body != `{"messages":2,"stored":2}` {
					results <- fmt.Sprint(a, err)
					return
				}
			}
			results <- ""
		}()
	}
	for range senders {
		if r := <-results; r != "" {
			t.Error(r)
		}
	}
	if st := s.Stats(); st.Requests != senders*each || st.Messages != 2*senders*each || st.Refused != 0 {
		t.Errorf("%+v", st)
	}
}

// A client that has closed its sending half still reads: it is not told that all is
// well when nobody knows.
func TestHalfClosed(t *testing.T) {
	s := serveHTTP(t, nil)
	s.router.Hold()
	c := s.raw()
	c.send(postHead + "Content-Length: 8\r\n\r\n" + `{"id":1}`)
	s.waitFor("all", func(st transporttest.State) bool { return len(st.Messages) == 2 })
	if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	s.wantText(c.answer(), 503, "send again")
	c.closed()
}

// A router that panics takes no room with it.
func TestRouterPanics(t *testing.T) {
	s := serveHTTP(t, nil)
	s.router.Refuse(func(m engine.Message) error {
		if m.ID == "panic" {
			panic("the router is broken")
		}
		return nil
	})
	if a, err := s.do("POST", "", `{"id":1} {} {"id":"panic"}`); err == nil {
		t.Errorf("answered %+v", a)
	}
	s.eventually("the room", func() bool { return s.Stats().Bodies == 0 })
	s.want(s.post("", `{"id":2}`), 200, `{"messages":1,"stored":1}`)
}
