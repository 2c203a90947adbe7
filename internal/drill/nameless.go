package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// nameless is a client that never sends anything again. Its numbers, which are
// those of its ledger, only bring it acks; the daemon gives its own. It flushes
// and ends streams now and then, which must not disturb what it or others store.
type nameless struct {
	cfg    LoadConfig
	ledger *Ledger
	frames int

	conn *websocket.Conn // nil: there is none
	read sync.WaitGroup  // its reader

	mu      sync.Mutex
	pending int64           // sent over conn, and not acked
	marks   map[string]mark // by id
	flushed bool            // everything was flushed
	end     error           // why conn is of no use any more
	news    chan struct{}   // closed, and made anew, with every frame
}

// mark is what one connection knows of an id.
type mark struct{ acked, sent int64 }

func newNameless(cfg LoadConfig, ledger *Ledger) *nameless {
	return &nameless{cfg: cfg, ledger: ledger}
}

// pause is how long it waits between attempts to connect.
const pause = 20 * time.Millisecond

// connect dials until somebody answers.
func (s *nameless) connect(ctx context.Context) error {
	retry := time.NewTicker(pause)
	defer retry.Stop()
	for {
		conn, _, err := websocket.Dial(ctx, s.cfg.URL, nil)
		if err == nil {
			s.conn, s.pending, s.end, s.flushed = conn, 0, nil, false
			s.marks, s.news = make(map[string]mark), make(chan struct{})
			s.read.Go(func() { s.hear(conn) })
			return nil
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// drop forgets the connection, and what was not acked over it.
func (s *nameless) drop() {
	if s.conn == nil {
		return
	}
	_ = s.conn.CloseNow()
	s.read.Wait()
	s.conn = nil
	s.ledger.Cut()
}

// hear reads what the daemon says, until the connection ends.
func (s *nameless) hear(conn *websocket.Conn) {
	for {
		_, frame, err := conn.Read(context.Background())
		var a struct {
			Op, Code, Error string
			ID              any
			Seq             int64
			Retry           bool
		}
		if err == nil {
			err = json.Unmarshal(frame, &a)
		}
		id, _ := a.ID.(string)
		if number, ok := a.ID.(float64); ok {
			id = strconv.FormatInt(int64(number), 10)
		}
		s.mu.Lock()
		switch {
		case err != nil:
			s.end = err
		case a.Op == "ack":
			s.acked(id, a.Seq)
		case a.Op == "flush" && a.ID == nil:
			s.flushed = true
		case a.Op == "error" && a.Retry:
			s.end = fmt.Errorf("the daemon says %s", a.Code)
		case a.Op == "error":
			s.ledger.Refused(id, a.Seq)
		}
		close(s.news)
		s.news = make(chan struct{})
		err = s.end
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// acked notes an ack. It needs the lock.
func (s *nameless) acked(id string, n int64) {
	m := s.marks[id]
	s.pending -= n - m.acked
	m.acked = n
	s.marks[id] = m
	s.ledger.Acked(id, n)
}

// wait waits until ok, which is called with the lock held; false: the connection
// ended.
func (s *nameless) wait(ctx context.Context, ok func() bool) (bool, error) {
	for {
		s.mu.Lock()
		fine, end, news := ok(), s.end, s.news
		s.mu.Unlock()
		if fine || end != nil {
			return fine && end == nil, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

func (s *nameless) send(ctx context.Context, id string, n int) error {
	if s.conn == nil {
		if err := s.connect(ctx); err != nil {
			return err
		}
	}
	fine, err := s.wait(ctx, func() bool { return s.pending < int64(s.cfg.Window) })
	if err != nil {
		s.drop()
		return err
	}
	if !fine {
		s.drop()
		return nil
	}
	s.frames++
	messages := make([]string, 0, n+1)
	s.mu.Lock()
	for range n {
		number := s.ledger.Next(id)
		m, known := s.marks[id]
		if !known {
			m.acked = number - 1 // an ack is never about what another connection sent
		}
		m.sent = number
		s.marks[id] = m
		messages = append(messages, s.message(id, number))
	}
	s.pending += int64(n)
	s.mu.Unlock()
	switch s.frames % 100 {
	case 33:
		messages = append(messages, fmt.Sprintf(`{"op":"flush","id":%s}`, wireID(id)))
	case 66:
		messages = append(messages, fmt.Sprintf(`{"op":"done","id":%s}`, wireID(id)))
	}
	frame := strings.Join(messages, "\n")
	if s.frames%2 == 0 {
		frame = "[" + strings.Join(messages, ",") + "]"
	}
	if s.conn.Write(ctx, websocket.MessageText, []byte(frame)) != nil {
		s.drop()
	}
	return nil
}

// message is message n of id, as it is sent.
func (s *nameless) message(id string, n int64) string {
	return fmt.Sprintf(`{"id":%s,"seq":%d,"time":%d,"code":%d,"data":%s}`,
		wireID(id), n, Time(n).UnixMicro(), Code(n), s.cfg.Run.Payload(Key{s.ledger.Sender, id}, n))
}

func (s *nameless) finish(ctx context.Context) error {
	if s.conn == nil {
		return nil
	}
	defer s.drop()
	if s.conn.Write(ctx, websocket.MessageText, []byte(`{"op":"flush"}`)) != nil {
		return nil
	}
	_, err := s.wait(ctx, func() bool { return s.flushed })
	return err
}

func (s *nameless) abort() { s.drop() }

// wireID writes an id as its owner would: digits as an integer.
func wireID(id string) string {
	if strings.Trim(id, "0123456789") == "" {
		return id
	}
	return strconv.Quote(id)
}
