package cluster

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/client"
	"github.com/ingestd/ingestd/internal/drill"
	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// ender is a client that ends its streams, which are its alone, and opens some of
// them again. Report n of a stream has the number 2n, an end after it 2n+1.
type ender struct {
	t      *testing.T
	ledger *drill.Ledger
	run    drill.Run
	client *client.Client
	cancel context.CancelFunc
	work   sync.WaitGroup

	streams map[string]*ended // of which its goroutine knows more than others until it has ended
	reopens int
}

// ended is what the row of a stream must say at last.
type ended struct {
	last int64 // report
	done bool
	code int64
	data string
}

// enderStreams is how many streams an ender has.
const enderStreams = 20

// startEnders lets n of them work until they are finished.
func (p *plant) startEnders(n int) {
	p.t.Helper()
	for i := range n {
		e := &ender{
			t: p.t, run: p.run, ledger: drill.NewLedger(fmt.Sprintf("ender-%d", i+1), true),
			streams: make(map[string]*ended),
		}
		var err error
		e.client, err = client.Dial(p.t.Context(), "ws://"+p.balancer.address()+"/ws", client.Options{
			Name: e.ledger.Client,
			// What is acked of an end is acked of the report before it.
			Acked:    func(id string, seq int64) { e.ledger.Acked(id, seq/2) },
			Refused:  func(r client.Refusal) { p.t.Errorf("refused: %+v", r) },
			RetryMin: 10 * time.Millisecond, RetryMax: 100 * time.Millisecond,
		})
		if err != nil {
			p.t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		e.cancel = cancel
		e.work.Go(func() { e.send(ctx, rand.New(rand.NewPCG(p.seed, uint64(i)))) })
		p.t.Cleanup(e.abort)
		p.enders = append(p.enders, e)
	}
}

// send sends a report or an end now and then, each to any of the streams. At last
// one stream is done, and another one open again.
func (e *ender) send(ctx context.Context, rng *rand.Rand) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			e.put(rng, rng.IntN(enderStreams), rng.IntN(2) == 0)
		case <-ctx.Done():
			for stream := range 2 {
				e.put(rng, stream, false)
				e.put(rng, stream, true)
			}
			e.put(rng, 1, false)
			return
		}
	}
}

// put sends one message to a stream. An end of a stream that is done already is a
// report.
func (e *ender) put(rng *rand.Rand, stream int, end bool) {
	id := fmt.Sprintf("end/%s/%d", e.ledger.Client, stream)
	s := e.streams[id]
	if s == nil {
		s = &ended{}
		e.streams[id] = s
	}
	m := client.Message{ID: id}
	if end && s.last > 0 && !s.done {
		s.done, s.code, s.data = true, rng.Int64N(1000), fmt.Sprintf(`{"end":%d}`, s.last)
		m.Op, m.Seq, m.Code, m.Data = "done", 2*s.last+1, s.code, []byte(s.data)
	} else {
		if s.done {
			s.done = false
			e.reopens++
		}
		s.last = e.ledger.Next(id)
		m.Seq, m.Code, m.Time = 2*s.last, drill.Code(s.last), drill.Time(s.last)
		m.Data = e.run.Payload(drill.Key{Sender: e.ledger.Sender, ID: id}, s.last)
	}
	// It waits for a full window only, of which this is far.
	if err := e.client.Send(context.Background(), m); err != nil {
		e.t.Errorf("send: %v", err)
	}
}

// finish sends no more, and waits until all is acked.
func (e *ender) finish(ctx context.Context) {
	e.t.Helper()
	e.cancel()
	e.work.Wait()
	if err := e.client.Close(ctx); err != nil {
		e.t.Errorf("wait for the acks of %s: %v", e.ledger.Client, err)
	}
}

// abort ends it at once; after finish it does nothing.
func (e *ender) abort() {
	e.cancel()
	e.work.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = e.client.Close(ctx)
}

// check looks at the rows of its streams.
func (e *ender) check(db *sql.DB) {
	e.t.Helper()
	done := 0
	for id, s := range e.streams {
		if s.done {
			done++
		}
		if err := s.check(e.t.Context(), db, id); err != nil {
			e.t.Errorf("%s: %v", id, err)
		}
	}
	e.t.Logf("%s: %d streams are done, %d open; %d were opened again", e.ledger.Client, done, len(e.streams)-done, e.reopens)
	if done == 0 || done == len(e.streams) || e.reopens == 0 {
		e.t.Error("void: not every kind of stream is there")
	}
}

// check compares the row of the stream with what it must say.
func (s *ended) check(ctx context.Context, db *sql.DB, id string) error {
	var status string
	var reason, data sql.NullString
	var code sql.NullInt64
	err := db.QueryRowContext(ctx, "SELECT status, end_reason, end_code, end_data FROM streams WHERE id = ?", id).
		Scan(&status, &reason, &code, &data)
	if err != nil {
		return err
	}
	is := fmt.Sprintf("%s %s %d %s", status, reason.String, code.Int64, data.String)
	should := "open  0 "
	if s.done {
		should = fmt.Sprintf("done op %d %s", s.code, s.data)
	}
	if is != should {
		return fmt.Errorf("the row says %q, not %q", is, should)
	}
	return nil
}

// A row that says anything else is found.
func TestEndedCheck(t *testing.T) {
	db := mariadbtest.DB(t, mariadbtest.DSN(t))
	for _, query := range []string{
		"CREATE TABLE streams (id INT, status TEXT, end_reason TEXT, end_code INT, end_data TEXT)",
		"INSERT INTO streams VALUES (1, 'open', NULL, NULL, NULL), (2, 'done', 'op', 7, '{}')",
	} {
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		id   string
		s    ended
		fine bool
	}{
		{"1", ended{}, true},
		{"2", ended{done: true, code: 7, data: "{}"}, true},
		{"1", ended{done: true}, false},
		{"2", ended{}, false},
		{"2", ended{done: true, code: 8, data: "{}"}, false},
		{"2", ended{done: true, code: 7, data: "[]"}, false},
		{"3", ended{}, false},
	} {
		if err := c.s.check(t.Context(), db, c.id); (err == nil) != c.fine {
			t.Errorf("%s, %+v: %v", c.id, c.s, err)
		}
	}
}
