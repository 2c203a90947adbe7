package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// While the rules change again and again, clients whose token stays good keep their
// connection and get every ack; in the end nobody is left whose token is gone,
// however late it came in.
func TestUpdateUnderLoad(t *testing.T) {
	ca := newAuthority(t)
	config := testConfig()
	config.TLS = ca.server(t)
	config.Auth = &AuthConfig{File: tokenFile(t, "steady "+plainToken, "flickers "+hashedToken)}
	w, err := ListenWebSocket(config)
	if err != nil {
		t.Fatal(err)
	}
	s := serveThis(t, w)
	dial := func(token string) (*client, error) {
		conn, resp, err := websocket.Dial(s.ctx, s.URL(), &websocket.DialOptions{
			HTTPClient: ca.client(), HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
		})
		if err != nil {
			if resp == nil || resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("not let in: %v", err)
			}
			return nil, err
		}
		return &client{t, s.ctx, conn, nil}, nil
	}
	var clients sync.WaitGroup
	stop := make(chan struct{})
	var acked, refused, expelled atomic.Int64
	for i := range 4 {
		c, err := dial(plainToken)
		if err != nil {
			t.Fatal(err)
		}
		clients.Go(func() {
			defer func() { _ = c.conn.CloseNow() }()
			for seq := 1; ; seq++ {
				select {
				case <-stop:
					return
				default:
				}
				c.send(fmt.Sprintf(`{"id":%d,"seq":%d}`, i, seq))
				c.expect(fmt.Sprintf(`{"op":"ack","id":%d,"seq":%d}`, i, seq))
				acked.Add(1)
			}
		})
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := dial(hashedToken)
				if err != nil {
					refused.Add(1)
					continue
				}
				if _, _, err := c.conn.Read(s.ctx); websocket.CloseStatus(err) != websocket.StatusPolicyViolation && !errors.Is(err, context.Canceled) {
					t.Errorf("the connection ends with %v", err)
				}
				expelled.Add(1)
			}
		})
	}
	began := time.Now()
	for i := 0; i < 200 || (acked.Load() < 100 || refused.Load() == 0 || expelled.Load() == 0) && time.Since(began) < patience; i++ {
		next := config
		next.Origins = []string{fmt.Sprintf("https://%d.example.com", i)}
		next.MaxConnections = 1000 + i
		if i%2 == 0 {
			writeTokens(t, config.Auth.File, "steady "+plainToken)
			ca.issue(t, "server", time.Now().Add(time.Hour))
		} else {
			writeTokens(t, config.Auth.File, "steady "+plainToken, "flickers "+hashedToken)
		}
		if err := w.Update(next); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	writeTokens(t, config.Auth.File, "steady "+plainToken)
	if err := w.Update(config); err != nil {
		t.Fatal(err)
	}
	clients.Wait()
	s.waitGone(0)
	if acked.Load() < 100 || refused.Load() == 0 || expelled.Load() == 0 {
		t.Errorf("%d acked, %d refused, %d expelled", acked.Load(), refused.Load(), expelled.Load())
	}
}

// Nothing takes the place of a host program's own way to tell who sends.
func TestUpdateKeepsAuthenticate(t *testing.T) {
	s := serve(t, func(c *WebSocketConfig) {
		c.Authenticate = func(r *http.Request) (Identity, error) {
			if r.URL.Query().Get("client") != "ann" {
				return Identity{}, errors.New("no")
			}
			return Identity{Name: "ann"}, nil
		}
	})
	ann := s.dial("?client=ann")
	c := testConfig()
	if err := s.Update(c); err != nil {
		t.Fatal(err)
	}
	c.Auth = testAuth(t)
	if err := s.Update(c); err == nil {
		t.Error("tokens are taken beside it")
	}
	if _, status := s.dialWith(nil); status != http.StatusUnauthorized {
		t.Errorf("a stranger is answered %d", status)
	}
	ann.send(`{"id":1,"seq":1}`)
	ann.expect(`{"op":"ack","id":1,"seq":1}`)
}

// What cannot change stays as it was, whatever an update says.
func TestUpdateKeepsTheRest(t *testing.T) {
	s := serve(t, nil)
	at := s.URL()
	c := testConfig()
	c.Listen, c.Path, c.MaxMessageSize = "127.0.0.1:1", "/elsewhere", 64
	c.TLS = &TLSConfig{Cert: "none.pem", Key: "none.key"}
	if err := s.Update(c); err != nil {
		t.Fatal(err)
	}
	if s.URL() != at {
		t.Errorf("it is at %s", s.URL())
	}
	c.Authenticate = func(*http.Request) (Identity, error) { return Identity{}, errors.New("no") }
	if err := s.Update(c); err != nil {
		t.Fatal(err)
	}
	cl := s.dial("")
	cl.send(`{"id":1,"seq":1,"data":"` + fmt.Sprintf("%100d", 1) + `"}`)
	cl.expect(`{"op":"ack","id":1,"seq":1}`)
}
