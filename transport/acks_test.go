package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"pgregory.net/rapid"

	"github.com/ingestd/ingestd/engine"
)

// Whatever is sent, mixed, with errors in the midst of it, and in whatever runs it is
// settled and told: an ack comes after all that it covers is taken care of, or was
// answered with an error; all that is numbered and stored is acked; errors are told
// once, and control messages answered once, each after the acks before it.
func TestRandomAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newAnswersModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"frame":  m.frame,
			"settle": m.settle,
			"spool":  m.spool,
			"write":  m.write,
		})
		m.finish(t)
	})
}

// answersModel is a connection whose router, network and client are the test's.
type answersModel struct {
	conn *conn
	d    *decoder

	routed  []*routed            // in the order of routing; not spooled
	queues  map[string][]*routed // by id; not settled
	ids     map[string]*sentTo
	flushes int  // answers to a flush of everything that are to come
	forgets bool // streams with nothing outstanding, and their gaps
}

type routed struct {
	engine.Message
	one     *sent
	spooled bool
}

// sentTo is what the client has sent to an id, and waits for.
type sentTo struct {
	next, gap int64
	numbered  []*sent
	errors    map[int64]int // by number; 0: of those that have none
	answers   []*sent       // control messages that are not answered, in order
}

type sent struct {
	seq    int64
	op     string
	before int  // of a control message: how many numbered ones came before it
	taken  bool // stored, or spooled, as the level asks
	told   bool // it was answered with an error
	acked  bool
}

func newAnswersModel(t *rapid.T) *answersModel {
	w := &WebSocket{
		config: testConfig(), log: hclog.NewNullLogger(), ops: operations(nil, nil), holds: NewHolds(),
		ackSpooled: rapid.Bool().Draw(t, "spooled"),
	}
	w.to = w.log
	m := &answersModel{d: newDecoder(w.ops), queues: make(map[string][]*routed), ids: make(map[string]*sentTo)}
	w.router, w.ctx = m, context.Background()
	m.conn = &conn{
		ws: w, table: newTable(w.holds, 0), pass: &pass{}, name: "c", socket: &socket{}, sender: &sender{},
		writing: true, // that is the test's
	}
	m.conn.room.L = &m.conn.mu
	if m.forgets = rapid.Bool().Draw(t, "forgets"); m.forgets {
		m.conn.table.max = 1
	}
	for _, id := range []string{"1", "2", "3"} {
		m.ids[id] = &sentTo{next: 1, errors: make(map[int64]int)}
	}
	return m
}

var errBad = engine.Permanent(errors.New("bad"))

// Route implements engine.Router: the data of a message says what becomes of it.
func (m *answersModel) Route(_ context.Context, msg engine.Message, _ engine.Producer) error {
	switch string(msg.Data) {
	case `"malformed"`:
		return errBad
	case `"full"`:
		return engine.ErrOverloaded
	}
	msg.ID, msg.Data = strings.Clone(msg.ID), slices.Clone(msg.Data)
	r := &routed{Message: msg}
	if msg.Tag > 0 {
		numbered := m.ids[msg.ID].numbered
		for i := len(numbered) - 1; r.one == nil; i-- {
			if numbered[i].seq == msg.Tag {
				r.one = numbered[i]
			}
		}
	}
	m.routed = append(m.routed, r)
	m.queues[msg.ID] = append(m.queues[msg.ID], r)
	return nil
}

// frame sends a few messages.
func (m *answersModel) frame(t *rapid.T) {
	if m.conn.answers > maxAnswers/2 || m.conn.controls > maxControls/2 {
		m.write(t) // the connection would not be read
		m.settleAll()
	}
	var frame []string
	for range rapid.IntRange(1, 6).Draw(t, "messages") {
		op := rapid.SampledFrom([]string{"report", "report", "report", "done", "flush", "resume", "all"}).Draw(t, "op")
		if op == "all" {
			frame = append(frame, `{"op":"flush"}`)
			m.flushes++
			continue
		}
		id := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "id")
		to := m.ids[id]
		seq := int64(0)
		if rapid.IntRange(0, 3).Draw(t, "numbered") > 0 {
			if to.gap != 0 && rapid.Bool().Draw(t, "again") {
				to.next = to.gap
			}
			seq = to.next
			to.next++
		}
		fate := "stored"
		if rapid.IntRange(0, 3).Draw(t, "odd") == 0 {
			fate = rapid.SampledFrom([]string{"bad", "malformed", "fault", "full"}).Draw(t, "fate")
			if m.forgets && fate == "full" {
				fate = "stored"
			}
		}
		text := fmt.Sprintf(`{"op":%q,"id":%s,"data":%q`, op, id, fate)
		one := &sent{seq: seq, op: op, before: len(to.numbered)}
		if seq > 0 {
			text += fmt.Sprintf(`,"seq":%d`, seq)
			to.numbered = append(to.numbered, one)
		}
		if fate == "fault" {
			text += `,"code":"none"`
		}
		frame = append(frame, text+"}")
		switch {
		case fate == "fault":
			to.errors[seq]++
		case seq > 0 && to.gap > 0 && seq > to.gap:
			to.errors[seq]++
		default:
			if seq > 0 {
				to.gap = 0
			}
			if fate == "full" && seq > 0 {
				to.gap = seq
			}
			if fate != "stored" {
				to.errors[seq]++
			} else if op != "report" {
				to.answers = append(to.answers, one)
			}
		}
	}
	text := strings.Join(frame, "\n")
	if rapid.Bool().Draw(t, "array") {
		text = "[" + strings.Join(frame, ",") + "]"
	}
	if _, on := m.conn.frame(m.d, []byte(text), true); !on {
		t.Fatal("nothing more is routed")
	}
}

// settle settles a run, as the engine does: what is refused, and what is no report,
// stands alone.
func (m *answersModel) settle(t *rapid.T) {
	id := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "id")
	m.settleRun(id, rapid.IntRange(1, 8).Draw(t, "n"))
}

func (m *answersModel) settleRun(id string, most int) {
	q := m.queues[id]
	if m.conn.ws.ackSpooled {
		for i, r := range q {
			if !r.spooled {
				q = q[:i]
				break
			}
		}
	}
	if len(q) == 0 {
		return
	}
	n, err := 1, error(nil)
	if string(q[0].Data) == `"bad"` {
		err = errBad
	} else if q[0].Kind == engine.Report {
		for n < min(most, len(q)) && q[n].Kind == engine.Report && string(q[n].Data) != `"bad"` {
			n++
		}
	}
	ms := make([]engine.Message, n)
	for i, r := range q[:n] {
		ms[i] = r.Message
		if r.one != nil && err == nil {
			r.one.taken = true
		}
	}
	m.queues[id] = m.queues[id][n:]
	m.conn.settled(ms, engine.Result{Rows: 7}, err)
}

func (m *answersModel) settleAll() {
	m.spoolSome(len(m.routed))
	for id := range m.ids {
		for len(m.queues[id]) > 0 {
			m.settleRun(id, 8)
		}
	}
}

// spool says that some more are on disk.
func (m *answersModel) spool(t *rapid.T) { m.spoolSome(rapid.IntRange(0, len(m.routed)).Draw(t, "n")) }

func (m *answersModel) spoolSome(n int) {
	if !m.conn.ws.ackSpooled {
		return
	}
	var ms []engine.Message
	for _, r := range m.routed[:n] {
		r.spooled = true
		if r.one != nil {
			r.one.taken = true
		}
		ms = append(ms, r.Message)
	}
	m.routed = m.routed[n:]
	m.conn.spooled(ms)
}

// write takes the answers that wait, and looks at each.
func (m *answersModel) write(t *rapid.T) {
	for {
		b, ends := m.conn.encode(nil, nil)
		if len(ends) == 0 {
			return
		}
		from := 0
		for _, end := range ends {
			m.receive(t, b[from:end])
			from = end
		}
	}
}

func (m *answersModel) receive(t *rapid.T, b []byte) {
	var a struct {
		Op  string
		ID  json.Number
		Seq int64
	}
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if a.Op == "flush" && a.ID == "" {
		if m.flushes--; m.flushes < 0 {
			t.Fatalf("nobody asked for %s", b)
		}
		return
	}
	to := m.ids[a.ID.String()]
	switch a.Op {
	case "ack":
		last := len(to.numbered) - 1
		for last >= 0 && to.numbered[last].seq != a.Seq {
			last--
		}
		if last < 0 {
			t.Fatalf("nobody sent what %s says", b)
		}
		for _, one := range to.numbered[:last+1] {
			if !one.taken && !one.told {
				t.Fatalf("%s covers %d, of which nothing is known", b, one.seq)
			}
			one.acked = true
		}
	case "error":
		if to.errors[a.Seq]--; to.errors[a.Seq] < 0 {
			t.Fatalf("%s is told twice, or is none", b)
		}
		for _, one := range to.numbered {
			if one.seq == a.Seq && a.Seq > 0 && !one.told {
				one.told = true
				break
			}
		}
	default:
		if len(to.answers) == 0 || to.answers[0].op != a.Op {
			t.Fatalf("%s is not the next answer", b)
		}
		for _, one := range to.numbered[:to.answers[0].before] {
			if !one.acked && !one.told {
				t.Fatalf("%s comes before the ack of %d", b, one.seq)
			}
		}
		to.answers = to.answers[1:]
	}
}

// finish settles what is left: then nobody waits for anything.
func (m *answersModel) finish(t *rapid.T) {
	m.settleAll()
	m.write(t)
	for id, to := range m.ids {
		for seq, n := range to.errors {
			if n != 0 {
				t.Errorf("id %s, number %d: an error is not told", id, seq)
			}
		}
		for _, one := range to.numbered {
			if !one.acked && !one.told {
				t.Errorf("id %s, number %d is not acked", id, one.seq)
			}
		}
		if len(to.answers) > 0 {
			t.Errorf("id %s: %s is not answered", id, to.answers[0].op)
		}
	}
	c := m.conn
	if m.flushes != 0 || c.pending != 0 || c.controls != 0 || c.answers != 0 || len(c.flushes) != 0 || len(c.table.m) > c.table.max {
		t.Errorf("flushes %d, pending %d, controls %d, answers %d, flushes of everything %d, streams %d",
			m.flushes, c.pending, c.controls, c.answers, len(c.flushes), len(c.table.m))
	}
}
