package ladder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Serve is the server of a design: websockets at /ws of l, into the tables that
// [Prepare] made at dsn. It ends with ctx, as the design does when its process is
// told to end: all but the repaired one forget what they have not written. Then
// it writes its [Counters] to log, as a line of JSON.
//
// A message is a JSON object with op, id, seq, time and data, one a frame; ids are
// plain numbers or strings. A frame that is none is answered with an error. What
// is no report is left out.
func Serve(ctx context.Context, name string, l net.Listener, dsn string, log io.Writer) error {
	return serve(ctx, name, l, dsn, log, published)
}

func serve(ctx context.Context, name string, l net.Listener, dsn string, log io.Writer, t times) error {
	defer func() { _ = l.Close() }()
	for _, rung := range ladder {
		if rung.name != name {
			continue
		}
		s, err := openStore(ctx, dsn, rung.connections)
		if err != nil {
			return err
		}
		defer func() { _ = s.db.Close() }()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		d := rung.make(ctx, s, t)
		err = (&server{design: d, counts: &s.counts}).run(ctx, l)
		cancel()
		d.stop()
		return errors.Join(err, json.NewEncoder(log).Encode(s.counts.read(name)))
	}
	return fmt.Errorf("no design is called %q", name)
}

// server reads the connections.
type server struct {
	design      design
	counts      *counts
	connections sync.WaitGroup
}

// maxFrame is what a frame may have, as in the real server.
const maxFrame = 1 << 20

// run ends when ctx has ended and no connection is read any more.
func (s *server) run(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		// Shutdown waits for requests until they are websockets: so all are counted
		// when it has returned.
		s.connections.Add(1)
		defer s.connections.Done()
		s.serve(ctx, w, r)
	})
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if web.Shutdown(last) != nil {
		_ = web.Close()
	}
	err := <-ended
	s.connections.Wait()
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

func (s *server) serve(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has been answered
	}
	c.SetReadLimit(maxFrame)
	// A context that can end makes reading three times as dear: so the connection
	// is closed from outside.
	stop := context.AfterFunc(ctx, func() { _ = c.CloseNow() })
	defer stop()
	defer func() { _ = c.CloseNow() }()
	from := sender{client: r.URL.Query().Get("client"), remote: r.RemoteAddr}
	for {
		_, frame, err := c.Read(context.Background())
		if err != nil {
			return
		}
		m, err := decode(frame, from)
		switch {
		case err != nil:
			if c.Write(ctx, websocket.MessageText, []byte(`{"op":"error","code":"bad_json"}`)) != nil {
				return
			}
		case m.op == "report":
			s.counts.received.Add(1)
			s.design.receive(ctx, m)
		}
	}
}
