package transport

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport/transporttest"
)

func TestHTTPConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Subject{
		AtOnce: true,
		New: func(t testing.TB) (engine.Transport, transporttest.Dial) {
			h, err := ListenHTTP(testHTTPConfig())
			if err != nil {
				t.Fatal(err)
			}
			return h, func(ctx context.Context) (transporttest.Sender, error) {
				return dialRequests(ctx, h.Addr().String())
			}
		},
	})
}

// requestSender is an HTTP client for the kit, with one connection that it keeps: so
// it sees that the connection is closed.
type requestSender struct {
	conn net.Conn
	r    *bufio.Reader
	sent bool // a request has no answer yet
	told []transporttest.Answer
}

func dialRequests(ctx context.Context, address string) (*requestSender, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &requestSender{conn: conn, r: bufio.NewReader(conn)}
	// A connection without a request is none that anybody keeps.
	_, err = fmt.Fprint(conn, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]")
	if err == nil {
		err = s.answer()
	}
	return s, err
}

func (s *requestSender) Send(_ context.Context, rs ...transporttest.Report) error {
	b, err := lines(rs)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.conn, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
	if err != nil {
		return err
	}
	s.sent = true
	for _, r := range rs { // until the answer says something else
		s.told = append(s.told, transporttest.Answer{ID: r.ID, Seq: r.Seq})
	}
	return nil
}

// answer reads the answer of a request.
func (s *requestSender) answer() error {
	s.sent = false
	resp, err := http.ReadResponse(s.r, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var a struct {
		Errors []struct {
			ID   string
			Seq  int64
			Code string
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return err
	}
	for _, e := range a.Errors {
		var told []transporttest.Answer
		if e.Code != codeUndelivered { // that says that nobody knows
			told = []transporttest.Answer{{ID: e.ID, Seq: e.Seq, Failed: true}}
		}
		for _, o := range s.told {
			if o.ID != e.ID || o.Seq != e.Seq {
				told = append(told, o)
			}
		}
		s.told = told
	}
	return nil
}

// Receive gives what the answer of the last request says, one message at a time, as
// soon as it is there; its errors first.
func (s *requestSender) Receive(ctx context.Context) (transporttest.Answer, error) {
	if deadline, ok := ctx.Deadline(); ok {
		_ = s.conn.SetReadDeadline(deadline)
	}
	if s.sent {
		if err := s.answer(); err != nil {
			return transporttest.Answer{}, err
		}
	}
	if len(s.told) == 0 {
		_, err := s.r.ReadByte()
		if err == nil {
			err = errors.New("an answer that nobody asked for")
		}
		return transporttest.Answer{}, err
	}
	a := s.told[0]
	s.told = s.told[1:]
	return a, nil
}

func (s *requestSender) Vanish() { _ = s.conn.Close() }
