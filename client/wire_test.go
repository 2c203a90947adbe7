package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// told collects what the caller's functions are told.
type told chan string

func (o told) options() Options {
	return Options{
		Name:    "n",
		Acked:   func(id string, seq int64) { o <- fmt.Sprintf("acked %s/%d", id, seq) },
		Refused: func(r Refusal) { o <- fmt.Sprintf("refused %s/%d %s", r.ID, r.Seq, r.Code) },
	}
}

func (o told) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-o:
			if got != w {
				t.Fatalf("told %q, not %q", got, w)
			}
		case <-time.After(patience):
			t.Fatalf("not told %q", w)
		}
	}
}

// send sends messages with these numbers.
func send(t *testing.T, c *Client, id string, seqs ...int64) {
	t.Helper()
	for _, seq := range seqs {
		must(t, c.Send(within(t), Message{ID: id, Seq: seq}))
	}
}

// connected dials, and gives both sides.
func connected(t *testing.T, o Options) (*peers, *peer, *Client) {
	t.Helper()
	p := newPeers(t)
	c := dial(t, p.url, o)
	return p, p.accept(), c
}

// What was not acked is sent again, in order, before anything new; what was is
// not.
func TestResend(t *testing.T) {
	o := make(told, 100)
	p, x, c := connected(t, o.options())
	send(t, c, "a", 1, 2, 3, 4, 5)
	send(t, c, "b", 7)
	x.read(6)
	x.write(`{"op":"ack","id":"a","seq":2}`)
	o.expect(t, "acked a/2")
	x.cut()
	x = p.accept()
	if x.name != "n" {
		t.Errorf("it comes again as %q", x.name)
	}
	send(t, c, "a", 6)
	var a, b []int64
	for _, m := range x.read(5) {
		if m.ID == "a" {
			a = append(a, m.Seq)
		} else {
			b = append(b, m.Seq)
		}
	}
	if !slices.Equal(a, []int64{3, 4, 5, 6}) || !slices.Equal(b, []int64{7}) {
		t.Errorf("sent again: %v and %v", a, b)
	}
	x.write(`{"op":"ack","id":"a","seq":4}`, `{"op":"ack","id":"a","seq":4}`, `{"op":"ack","id":"a","seq":3}`,
		`{"op":"ack","id":"a","seq":6}`, `{"op":"ack","id":"b","seq":7}`)
	o.expect(t, "acked a/4", "acked a/6", "acked b/7")
	must(t, c.Close(within(t)))
}

// After a retry error everything from that number on comes again, after the last of
// the errors that what was under way brings, and other ids go on.
func TestRetry(t *testing.T) {
	o := make(told, 100)
	_, x, c := connected(t, o.options())
	send(t, c, "a", 1, 2, 3)
	x.expect("a/1", "a/2", "a/3")
	x.write(`{"op":"error","code":"overloaded","error":"full","retry":true,"id":"a","seq":2}`)
	x.write(`{"op":"ack","id":"a","seq":1}`)
	o.expect(t, "acked a/1")
	send(t, c, "a", 4)
	send(t, c, "b", 9)
	x.expect("b/9")
	x.write(`{"op":"error","code":"overloaded","error":"send from 2","retry":true,"id":"a","seq":3}`)
	x.expect("a/2", "a/3", "a/4")
	x.write(`{"op":"error","code":"too_many_streams","error":"full","retry":true,"id":"a","seq":4}`)
	x.expect("a/4")
	x.write(`{"op":"ack","id":"b","seq":9}`, `{"op":"ack","id":"a","seq":4}`)
	o.expect(t, "acked b/9", "acked a/4")
}

// An ack says nothing of what is to be sent again: the error came before it.
func TestAckAfterRetry(t *testing.T) {
	o := make(told, 100)
	_, x, c := connected(t, o.options())
	send(t, c, "a", 1, 2, 3)
	x.expect("a/1", "a/2", "a/3")
	x.write(`{"op":"error","code":"overloaded","error":"full","retry":true,"id":"a","seq":2}`, `{"op":"ack","id":"a","seq":3}`)
	o.expect(t, "acked a/1")
	x.expect("a/2", "a/3")
}

func TestRefused(t *testing.T) {
	o := make(told, 100)
	p, x, c := connected(t, o.options())
	send(t, c, "a", 1, 2, 3)
	x.expect("a/1", "a/2", "a/3")
	rejected := `{"op":"error","code":"rejected","error":"too long","retry":false,"id":"a","seq":2}`
	x.write(rejected, rejected)
	x.cut()
	o.expect(t, "refused a/2 rejected")
	x = p.accept()
	x.expect("a/1", "a/3")
	x.write(`{"op":"error","code":"conflict","error":"other","retry":false,"id":"a","seq":3}`, `{"op":"ack","id":"a","seq":3}`)
	o.expect(t, "refused a/3 conflict", "acked a/1")
	must(t, c.Close(within(t)))
}

// Ids are written as strings and may be answered as numbers.
func TestNumericID(t *testing.T) {
	o := make(told, 100)
	_, x, c := connected(t, o.options())
	send(t, c, "17", 1)
	x.expect("17/1")
	x.write(`{"op":"ack","id":17,"seq":1}`)
	o.expect(t, "acked 17/1")
	send(t, c, "a\"\n", 1)
	x.expect("a\"\n/1")
	x.write(`{"op":"ack","id":"a\"\n","seq":1}`)
	o.expect(t, "acked a\"\n/1")
}

// Numbers are the time in microseconds, and ascend, whatever the caller gave
// before.
func TestNumbers(t *testing.T) {
	_, x, c := connected(t, Options{})
	before := time.Now().UnixMicro()
	for range 3 {
		must(t, c.Send(within(t), Message{ID: "a"}))
	}
	got := x.read(3)
	if got[0].Seq < before || got[0].Seq > time.Now().UnixMicro() || got[1].Seq <= got[0].Seq || got[2].Seq <= got[1].Seq {
		t.Errorf("numbers %v", got)
	}
	send(t, c, "a", 1<<61)
	must(t, c.Send(within(t), Message{ID: "a"}))
	must(t, c.Send(within(t), Message{ID: "b"}))
	if got := x.read(3); got[1].Seq != 1<<61+1 || got[2].Seq >= 1<<61 {
		t.Errorf("numbers %v", got)
	}
	for _, seq := range []int64{1 << 61, -1, 1 << 62} {
		if err := c.Send(within(t), Message{ID: "a", Seq: seq}); !errors.Is(err, ErrMessage) {
			t.Errorf("number %d: %v", seq, err)
		}
	}
}

// The answer to Done that was lost is not waited for for ever: once the end is
// acked it is not sent again, for what came after it may be stored.
func TestDoneAnswerLost(t *testing.T) {
	p, x, c := connected(t, Options{})
	type result struct {
		messages int64
		err      error
	}
	results := make(chan result, 1)
	done := func() {
		messages, err := c.Done(context.Background(), "a", 1, nil)
		results <- result{messages, err}
	}
	go done()
	m := x.read(1)[0]
	if m.Op != opDone || m.Code != 1 {
		t.Errorf("sent %v", m)
	}
	x.cut() // neither acked nor answered: it is sent again
	x = p.accept()
	again := x.read(1)[0]
	if again.Op != opDone || again.Seq != m.Seq {
		t.Errorf("sent %v, then %v", m, again)
	}
	x.write(fmt.Sprintf(`{"op":"ack","id":"a","seq":%d}`, m.Seq), `{"op":"done","id":"a","messages":12}`)
	if r := <-results; r.messages != 12 || r.err != nil {
		t.Errorf("Done gives %v", r)
	}

	go done()
	m = x.read(1)[0]
	x.write(fmt.Sprintf(`{"op":"ack","id":"a","seq":%d}`, m.Seq))
	x.cut()
	x = p.accept()
	x.expect("flush a")
	x.write(`{"op":"flush","id":"a"}`)
	if r := <-results; r.messages != -1 || r.err != nil {
		t.Errorf("Done gives %v", r)
	}

	go done()
	m = x.read(1)[0]
	x.write(fmt.Sprintf(`{"op":"error","code":"rejected","error":"why","id":"a","seq":%d}`, m.Seq))
	var refusal *Refusal
	if r := <-results; !errors.As(r.err, &refusal) || refusal.Code != "rejected" {
		t.Errorf("Done gives %v", r)
	}
	must(t, c.Close(within(t)))
}

// Flush asks the server once all is sent, again after what is sent again, and waits
// for acks, not for the answer.
func TestFlush(t *testing.T) {
	p, x, c := connected(t, Options{})
	must(t, c.Flush(within(t)))
	send(t, c, "a", 1, 2)
	flushed := make(chan error, 2)
	go func() { flushed <- c.Flush(context.Background()) }()
	x.expect("a/1", "a/2", "flush")
	send(t, c, "b", 1)
	x.expect("b/1")
	x.cut()
	x = p.accept()
	got := x.read(4)
	if got[3].Op != opFlush {
		t.Errorf("sent %v", got)
	}
	x.write(`{"op":"ack","id":"a","seq":1}`, `{"op":"flush"}`)
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := c.Flush(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Flush: %v", err)
	}
	x.write(`{"op":"ack","id":"a","seq":2}`)
	must(t, <-flushed)
	go func() { flushed <- c.Flush(context.Background()) }()
	x.write(`{"op":"ack","id":"b","seq":1}`)
	must(t, <-flushed)
}

// A full window blocks Send, has the server flush what it collects, and opens with
// acks.
func TestWindow(t *testing.T) {
	for _, o := range []Options{{Window: 2}, {WindowBytes: 90}} {
		_, x, c := connected(t, o)
		send(t, c, "a", 1, 2)
		x.expect("a/1", "a/2")
		sent := make(chan error, 1)
		go func() { sent <- c.Send(context.Background(), Message{ID: "a", Seq: 3}) }()
		x.expect("flush") // after a while without an ack
		short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		if err := c.Send(short, Message{ID: "b"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send: %v", err)
		}
		cancel()
		x.write(`{"op":"ack","id":"a","seq":1}`)
		must(t, <-sent)
		x.expect("a/3")
	}
}

// A message larger than everything is sent where there is no other.
func TestLargerThanTheWindow(t *testing.T) {
	o := make(told, 100)
	opts := o.options()
	opts.WindowBytes, opts.FrameBytes = 100, 50
	_, x, c := connected(t, opts)
	must(t, c.Send(within(t), Message{ID: "a", Seq: 1, Data: []byte(`"` + strings.Repeat("x", 1000) + `"`)}))
	x.expect("a/1")
}

// Where the server finds a frame too large, smaller ones are made; a message that
// alone is too large is refused, and the others go on.
func TestTooLarge(t *testing.T) {
	o := make(told, 100)
	opts := o.options()
	opts.Offline, opts.FrameBytes = true, 4000
	p := newPeers(t)
	c := dial(t, p.url, opts)
	const limit = 300
	for n := range 100 {
		m := Message{ID: "a", Seq: int64(n + 1)}
		if n == 50 {
			m.Data = []byte(`"` + strings.Repeat("x", limit) + `"`)
		}
		must(t, c.Send(within(t), m))
	}
	var got, refused []string
	connections := 0
	for x := p.accept(); len(got) < 99; {
		b := x.frame()
		if len(b) > limit {
			_ = x.conn.Close(websocket.StatusMessageTooBig, "the limit is 300")
			x = p.accept()
			connections++
			continue
		}
		for line := range strings.Lines(string(b)) {
			var seq int64
			if _, err := fmt.Sscanf(line[strings.Index(line, `"seq"`):], `"seq":%d}`, &seq); err != nil {
				t.Fatal(line, err)
			}
			x.write(fmt.Sprintf(`{"op":"ack","id":"a","seq":%d}`, seq))
			told := <-o
			if strings.HasPrefix(told, "refused") {
				refused = append(refused, told)
				told = <-o
			}
			got = append(got, told)
		}
	}
	if connections > 10 || got[98] != "acked a/100" || !slices.Equal(refused, []string{"refused a/51 too_large"}) {
		t.Errorf("%d connections; %q, %q", connections, got, refused)
	}
}
