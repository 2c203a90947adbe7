package sink_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

func TestAppendTime(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		// From the year 1000 to 9999, in zones around the world.
		at := time.Unix(random.Int64N(283_996_000_000)-30_610_224_000, random.Int64N(1e9))
		at = at.In(time.FixedZone("", random.IntN(86_400)-43_200))
		if got, want := string(sink.AppendTime(nil, at)), at.UTC().Format(sink.TimeLayout); got != want {
			t.Fatalf("%v became %s, not %s", at, got, want)
		}
	}
	for at, want := range map[time.Time]string{
		{}: "1000-01-01 00:00:00.000000",
		time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC):                  "1000-01-01 00:00:00.000000",
		time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC):              "9999-12-31 23:59:59.999999",
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC): "9999-12-31 23:59:59.999999",
		time.Date(1999, 12, 31, 23, 59, 59, 999_999_999, time.UTC): "1999-12-31 23:59:59.999999",
		time.Unix(1<<60, 0): "9999-12-31 23:59:59.999999",
	} {
		if got := string(sink.AppendTime(nil, at)); got != want {
			t.Errorf("%v became %s, not %s", at, got, want)
		}
	}
}

func TestCheckAll(t *testing.T) {
	const bad = "a\xffb"
	for name, m := range map[string]engine.Message{
		"data": {Data: []byte(bad)}, "op": {Op: bad}, "remote": {Remote: bad}, "sender": {Sender: bad},
	} {
		group := []engine.Batch{{Messages: make([]engine.Message, 2)}, {Messages: []engine.Message{{}, m, {}}}}
		err := sink.CheckAll(group)
		if want := "message 1 of batch 1: " + name + " is not valid UTF-8"; err == nil || err.Error() != want {
			t.Errorf("%v, not %s", err, want)
		}
		if !engine.IsPermanent(err) {
			t.Errorf("is not permanent: %v", err)
		}
	}
	group := []engine.Batch{{Messages: make([]engine.Message, 2), Final: &engine.Message{Data: []byte(bad)}}}
	if err := sink.CheckAll(group); err == nil || !strings.HasPrefix(err.Error(), "message 2 of batch 0") {
		t.Errorf("the Final: %v", err)
	}
	if err := sink.CheckAll([]engine.Batch{{Messages: []engine.Message{{Op: "ä😀", Data: []byte("\"\x00\"")}}}}); err != nil {
		t.Error(err)
	}
}

func TestChunk(t *testing.T) {
	shapes := []int{50, 10, 1}
	for _, c := range []struct{ n, size, limit, want int }{
		{1, 1, 100, 1},
		{9, 1, 100, 1},
		{10, 1, 100, 10},
		{49, 1, 100, 10},
		{50, 1, 100, 50},
		{500, 1, 100, 50},
		{500, 3, 100, 10},
		{500, 11, 100, 1},
		{500, 1000, 100, 1},
		{50, 2, 100, 50},
	} {
		if got := sink.Chunk(c.n, c.limit, shapes, func(int) int { return c.size }); got != c.want {
			t.Errorf("of %d rows of %d bytes, at most %d bytes: %d, not %d", c.n, c.size, c.limit, got, c.want)
		}
	}
	if got, want := sink.Tuples(3, 2), "(?,?),(?,?),(?,?)"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	if got, want := sink.Tuples(1, 1), "(?)"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

// Sort orders by key, and leaves equal keys as they came.
func TestSort(t *testing.T) {
	group := []engine.Batch{
		{ID: "b", Messages: []engine.Message{{ID: "b", Seq: 2, Client: "y"}, {ID: "b", Seq: 2, Client: "x"}, {ID: "b", Seq: 1}}},
		{ID: "a", Messages: []engine.Message{{ID: "a", Seq: 7, Code: 1}, {ID: "a", Seq: 7, Code: 2}, {ID: "a", Seq: 7, Code: 3}}},
	}
	var g sink.Group
	g.Load(group, time.Now())
	g.Sort()
	if got, want := fmt.Sprint(g.Fresh), "[{1 0} {1 1} {1 2} {0 2} {0 1} {0 0}]"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	if got, want := fmt.Sprint(g.Rows), "[{0 0} {0 1} {0 2} {1 0} {1 1} {1 2}]"; got != want {
		t.Errorf("the rows are %s, not %s", got, want)
	}
}

// What a duplicate does to the status of its stream depends on whether it was
// received before or after the end.
func TestFoldStatus(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2024, 5, 7, 3, 33, second, 0, time.UTC) }
	message := func(second int) engine.Message { return engine.Message{ID: "a", Received: at(second)} }
	done := func(second int) engine.Batch {
		m := message(second)
		return engine.Batch{ID: "a", End: engine.EndOp, Final: &m}
	}
	gone := engine.Batch{ID: "a", End: engine.EndDisconnect, Ended: at(2)}
	with := func(seconds ...int) engine.Batch {
		b := engine.Batch{ID: "a"}
		for _, s := range seconds {
			b.Messages = append(b.Messages, message(s))
		}
		return b
	}
	for _, c := range []struct {
		name    string
		batches []engine.Batch
		stored  bool // all of them
		want    sink.Status
		again   int
	}{
		{"new", []engine.Batch{with(1, 2)}, false, sink.Open, 0},
		{"again", []engine.Batch{with(1, 3, 2)}, true, sink.Keep, 3},
		{"done", []engine.Batch{with(1), done(2)}, false, sink.Done, 0},
		{"done again", []engine.Batch{with(1), done(2)}, true, sink.Done, 0},
		{"only done", []engine.Batch{done(2)}, true, sink.Done, 0},
		{"goes on", []engine.Batch{with(1), done(2), with(3)}, false, sink.Open, 0},
		{"went on", []engine.Batch{with(1), done(2), with(3)}, true, sink.Open, 0},
		{"went on in the same frame", []engine.Batch{with(1), done(2), with(2)}, true, sink.Open, 0},
		{"an old one after the end", []engine.Batch{with(1), done(2), with(1)}, true, sink.Done, 0},
		{"went on after a disconnect", []engine.Batch{with(1), gone, with(3)}, true, sink.Open, 0},
		{"went on in the moment of a disconnect", []engine.Batch{with(1), gone, with(2)}, true, sink.Open, 0},
		{"an old one after a disconnect", []engine.Batch{with(1), gone, with(1)}, true, sink.Done, 0},
		{"ended twice", []engine.Batch{with(1), done(2), with(3), gone}, false, sink.Done, 0},
		{"nothing", []engine.Batch{with()}, false, sink.Keep, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var g sink.Group
			g.Load(c.batches, at(59))
			if c.stored {
				for _, r := range g.Rows {
					g.Stored(r)
				}
				g.Refresh()
			}
			g.Fold()
			if len(g.Streams) != 1 {
				t.Fatalf("%d streams", len(g.Streams))
			}
			s := g.Streams[0]
			var again time.Time
			if c.again > 0 {
				again = at(c.again)
			}
			if s.Status != c.want || !s.Again.Equal(again) {
				t.Errorf("status %d, again %v; not %d, %v", s.Status, s.Again, c.want, again)
			}
		})
	}
}

// A reused Args gives the same as a new one, and costs little.
func TestArgsAreReused(t *testing.T) {
	var a sink.Args
	m := engine.Message{ID: "id", Seq: 1 << 62, Op: "report", Remote: "r", Sender: "s", Data: []byte(`{"x":1}`), Received: time.Unix(1, 0)}
	fill := func() {
		a.Reset()
		for range 100 {
			a.Message(&m, time.Time{})
		}
	}
	fill()
	first := fmt.Sprint(a.Values())
	if len(a.Values()) != 100*len(sink.MessageColumns) {
		t.Fatalf("%d values", len(a.Values()))
	}
	a.Release()
	fill()
	if got := fmt.Sprint(a.Values()); got != first {
		t.Errorf("%s, not %s", got, first)
	}
	if n := testing.AllocsPerRun(10, fill); n > 210 {
		t.Errorf("%v allocations for 100 rows", n)
	}
}

// A run ends where anything of what its rows share changes, and nowhere else.
func TestRun(t *testing.T) {
	m := engine.Message{ID: "a", Seq: 1, Client: "c", Op: "o", Remote: "r", Sender: "s"}
	run := func(change func(*engine.Message)) int {
		other := m
		change(&other)
		var g sink.Group
		g.Load([]engine.Batch{{Messages: []engine.Message{m, m, other, m}}}, time.Time{})
		return g.Run(g.Rows)
	}
	for k, change := range []func(*engine.Message){
		func(m *engine.Message) { m.ID = "b" },
		func(m *engine.Message) { m.Client = "" },
		func(m *engine.Message) { m.Op = "p" },
		func(m *engine.Message) { m.Remote = "q" },
		func(m *engine.Message) { m.Sender = "t" },
	} {
		if n := run(change); n != 2 {
			t.Errorf("change %d: a run of %d", k, n)
		}
	}
	if n := run(func(m *engine.Message) { m.Seq, m.Code, m.Time, m.Data = 2, 3, time.Now(), []byte("4") }); n != 4 {
		t.Errorf("a run of %d", n)
	}
	if n := new(sink.Group).Run(nil); n != 0 {
		t.Errorf("a run of %d out of nothing", n)
	}
}
