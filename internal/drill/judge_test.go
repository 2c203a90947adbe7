package drill

import (
	"strings"
	"testing"
)

const testRun = Run("judge")

// stored is the row of a message of the named sender, as it should be.
func stored(id string, n int64) Row {
	return Row{
		ID: id, Client: "named", Seq: n, Op: "report", Code: Code(n), SentAt: Time(n).Format(timeLayout),
		Data: string(testRun.Payload(Key{"named", id}, n)),
	}
}

// namelessRow is one of the nameless sender, whose numbers the daemon gave.
func namelessRow(n int64) Row {
	x := stored("17", n)
	x.Client, x.Seq, x.Data = "", 1<<62+n, string(testRun.Payload(Key{"nameless", "17"}, n))
	return x
}

// The judge is what all of it rests on: it finds each fault, and none where there
// is none.
func TestJudge(t *testing.T) {
	change := func(x Row, f func(*Row)) Row { f(&x); return x }
	at := func(x Row, seq int64) Row { return change(x, func(x *Row) { x.Seq = seq }) }
	with := func(f func(*Row)) []Row { return []Row{stored("17", 1), change(stored("17", 2), f), stored("17", 3)} }
	for _, c := range []struct {
		name string
		rows []Row
		want Verdict
	}{
		{"all", []Row{stored("17", 1), stored("17", 2), stored("17", 3)}, Verdict{Stored: 3}},
		{"more than is promised", []Row{stored("17", 1), stored("17", 2), stored("17", 3), stored("17", 4)}, Verdict{Stored: 4}},
		{"lost", []Row{stored("17", 1), stored("17", 3)}, Verdict{Stored: 2, Lost: 1}},
		{"lost at the end", []Row{stored("17", 1), stored("17", 2)}, Verdict{Stored: 2, Lost: 1}},
		{"everything lost", nil, Verdict{Lost: 3}},
		{
			"one overtook another",
			[]Row{stored("17", 1), stored("17", 2), stored("17", 3), stored("17", 5)},
			Verdict{Stored: 4, OutOfOrder: 1},
		},
		{
			"stored twice with the same number",
			[]Row{stored("17", 1), stored("17", 2), stored("17", 2), stored("17", 3)},
			Verdict{Stored: 3, Duplicated: 1},
		},
		{
			"stored twice",
			[]Row{stored("17", 1), stored("17", 2), stored("17", 3), at(stored("17", 2), 4)},
			Verdict{Stored: 3, Duplicated: 1},
		},
		{
			"exchanged",
			[]Row{stored("17", 1), at(stored("17", 3), 2), at(stored("17", 2), 3)},
			Verdict{Stored: 3, OutOfOrder: 1},
		},
		{"a byte more", with(func(x *Row) { x.Data = strings.Replace(x.Data, "{", "{ ", 1) }), Verdict{Stored: 3, Altered: 1}},
		{"no JSON any more", with(func(x *Row) { x.Data = x.Data[1:] }), Verdict{Stored: 3, Altered: 1}},
		{"another op", with(func(x *Row) { x.Op = "reports" }), Verdict{Stored: 3, Altered: 1}},
		{"another code", with(func(x *Row) { x.Code++ }), Verdict{Stored: 3, Altered: 1}},
		{"another time", with(func(x *Row) { x.SentAt = Time(9).Format(timeLayout) }), Verdict{Stored: 3, Altered: 1}},
		{"another client", with(func(x *Row) { x.Client = "" }), Verdict{Stored: 3, Altered: 1}},
		{"under another id", with(func(x *Row) { x.ID = "18" }), Verdict{Stored: 2, Lost: 1, Unexpected: 1}},
		{"never sent", []Row{stored("17", 1), stored("17", 2), stored("17", 3), stored("17", 6)}, Verdict{Stored: 3, Unexpected: 1}},
		{
			"of nobody",
			[]Row{stored("17", 1), stored("17", 2), stored("17", 3), {ID: "17", Seq: 9, Data: "null"}},
			Verdict{Stored: 3, Unexpected: 1},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewLedger("named", true)
			for range 5 {
				l.Next("17")
			}
			l.Acked("17", 3)
			c.want.Sent, c.want.Acked = 5, 3
			if got := judge(c.rows, l); got != c.want {
				t.Errorf("%+v, not %+v", got, c.want)
			}
		})
	}
}

func judge(rows []Row, l *Ledger) Verdict {
	j := NewJudge(testRun, []*Ledger{l})
	for _, x := range rows {
		j.Add(x)
	}
	return j.Verdict()
}

// What a nameless client had no ack for may be there or not, but no later message
// of the same connection without it.
func TestJudgeNameless(t *testing.T) {
	for _, c := range []struct {
		name string
		rows []int64
		want Verdict
	}{
		{"all", []int64{1, 2, 3, 4, 5, 6, 7}, Verdict{Stored: 7}},
		{"what is promised", []int64{1, 2, 5}, Verdict{Stored: 3}},
		{"beyond that", []int64{1, 2, 3, 5, 6}, Verdict{Stored: 5}},
		{"lost in the first connection", []int64{1, 5}, Verdict{Stored: 2, Lost: 1}},
		{"lost in the second", []int64{1, 2, 3, 6}, Verdict{Stored: 4, Lost: 1}},
		{"a gap in the first", []int64{1, 2, 4, 5}, Verdict{Stored: 4, OutOfOrder: 1}},
		{"a gap in the second", []int64{1, 2, 5, 7}, Verdict{Stored: 4, OutOfOrder: 1}},
		{"the second connection overtakes the first", []int64{1, 5, 2, 6, 3}, Verdict{Stored: 5}},
		{"exchanged in the first", []int64{2, 1, 5}, Verdict{Stored: 3, OutOfOrder: 1}},
		{"exchanged in the second", []int64{1, 2, 6, 5}, Verdict{Stored: 4, OutOfOrder: 1}},
		{"doubled", []int64{1, 2, 3, 3, 5}, Verdict{Stored: 4, Duplicated: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewLedger("nameless", false)
			for range 4 {
				l.Next("17")
			}
			l.Acked("17", 2)
			l.Cut()
			l.Cut() // nothing was sent over this one
			for range 3 {
				l.Next("17")
			}
			l.Acked("17", 5)
			c.want.Sent, c.want.Acked = 7, 3
			var rows []Row
			for i, n := range c.rows {
				x := namelessRow(n)
				x.Seq = 1<<62 + int64(i)
				rows = append(rows, x)
			}
			if got := judge(rows, l); got != c.want {
				t.Errorf("%+v, not %+v", got, c.want)
			}
		})
	}
}

// A message that was refused, and was told so, is not lost; but something is
// wrong.
func TestJudgeRefused(t *testing.T) {
	l := NewLedger("named", true)
	for range 3 {
		l.Next("17")
	}
	l.Refused("17", 2)
	l.Refused("17", 2)
	l.Acked("17", 3)
	got := judge([]Row{stored("17", 1), stored("17", 3)}, l)
	if want := (Verdict{Sent: 3, Acked: 3, Stored: 2, Refused: 1}); got != want || got.Fine() {
		t.Errorf("%+v, not %+v", got, want)
	}
}

// Each column of the verdict counts.
func TestFine(t *testing.T) {
	if !(Verdict{Sent: 3, Acked: 2, Stored: 2}).Fine() {
		t.Error("a verdict without a fault is not fine")
	}
	for _, v := range []Verdict{
		{Lost: 1}, {Duplicated: 1}, {OutOfOrder: 1}, {Altered: 1}, {Unexpected: 1}, {Refused: 1}, {Miscounted: 1},
	} {
		if v.Fine() {
			t.Errorf("%+v is fine", v)
		}
	}
}

// What stands at any place of a long account is found.
func TestSeen(t *testing.T) {
	for _, n := range []int64{1, 2, 62, 63, 64, 65, 127, 128, 129, 200} {
		s := &seen{have: make([]uint64, 256/64)}
		s.have[n/64] |= 1 << (n % 64)
		for _, c := range []struct{ first, last, want int64 }{
			{1, 255, n}, {n, n, n}, {1, n, n}, {n, 255, n}, {n + 1, 255, 0}, {1, n - 1, 0},
		} {
			if got := s.lastIn(c.first, c.last); got != c.want {
				t.Errorf("of %d, %d to %d: %d, not %d", n, c.first, c.last, got, c.want)
			}
		}
	}
}
