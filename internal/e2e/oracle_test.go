package e2e

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"
)

// run names the messages of one test. What a message of it must look like follows
// from the run, the sender, the id and the number alone, so that the judge needs
// nothing of what the senders remember.
type run string

// key is what order is promised for: one stream, as one sender wrote it.
type key struct {
	sender int
	id     string
}

// fillers are what payloads are made of: everything that a careless store would
// rewrite.
var fillers = []string{
	`"x":1.0`, `"x":1e2`, `"x":-0`, `"x":123456789012345678901234567890`, `"x" : [ 1 ,2, {} ]`,
	`"x":"\u0041\/\""`, `"x":"æ 漢字 😀"`, `"x":"\ud83d\ude00"`, `"x":"'; DROP TABLE messages; --"`,
	`"x":"\\0 %s ? \u0000"`, `"a":1,"a":2`, `"x":"  trailing  "`, "\"x\":\n\t[null,true]", `"x":null`,
}

// payload is the data of the n-th message of key k.
func (r run) payload(k key, n int) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d/%s/%d", r, k.sender, k.id, n)
	rng := rand.New(rand.NewPCG(h.Sum64(), 1))
	var b strings.Builder
	fmt.Fprintf(&b, `{"run":%q,"sender":%d,"n":%d,"sum":"%x"`, string(r), k.sender, n, h.Sum64())
	for range rng.IntN(3) {
		b.WriteByte(',')
		b.WriteString(fillers[rng.IntN(len(fillers))])
	}
	if rng.IntN(20) == 0 {
		fmt.Fprintf(&b, `,"long":%q`, strings.Repeat("0123456789", rng.IntN(200)))
	}
	b.WriteByte('}')
	return b.String()
}

// row is a stored message.
type row struct {
	id     string
	seq    int64
	client string
	data   string
}

// verdict is what the judge found.
type verdict struct {
	stored     int
	lost       int // promised, and not there
	gaps       int // not there, though a later one of the same sender is
	doubled    int
	disordered int
	altered    int // not byte for byte what was sent
	unexpected int // never sent
}

// judge compares rows, in the order of each stream, with what was sent. promised
// says up to which number everything must be there, attempted up to which it may.
func (r run) judge(rows []row, promised, attempted map[key]int) (v verdict) {
	type seen struct {
		have map[int]bool
		last int
		seq  int64
	}
	all := make(map[key]*seen)
	for _, x := range rows {
		var d struct {
			Run       run
			Sender, N int
		}
		if err := json.Unmarshal([]byte(x.data), &d); err != nil || d.Run != r {
			v.unexpected++
			continue
		}
		k := key{d.Sender, x.id}
		if d.N < 1 || d.N > attempted[k] {
			v.unexpected++
			continue
		}
		if x.data != r.payload(k, d.N) {
			v.altered++
		}
		s := all[k]
		if s == nil {
			s = &seen{have: make(map[int]bool)}
			all[k] = s
		}
		if s.have[d.N] {
			v.doubled++
			continue
		}
		s.have[d.N] = true
		v.stored++
		if d.N < s.last || x.seq <= s.seq {
			v.disordered++
		}
		s.last, s.seq = max(s.last, d.N), x.seq
	}
	for k := range attempted {
		s := all[k]
		if s == nil {
			s = &seen{}
		}
		for n := 1; n <= max(promised[k], s.last); n++ {
			switch {
			case s.have[n]:
			case n <= promised[k]:
				v.lost++
			default:
				v.gaps++
			}
		}
	}
	return v
}

// fine fails the test unless nothing is wrong and stored messages are there.
func (v verdict) fine(t *testing.T, stored int) {
	t.Helper()
	if want := (verdict{stored: stored}); v != want {
		t.Errorf("stored %d of %d, lost %d, gaps %d, doubled %d, out of order %d, altered %d, unexpected %d",
			v.stored, stored, v.lost, v.gaps, v.doubled, v.disordered, v.altered, v.unexpected)
	}
}

// sum is how many messages m counts.
func sum(m map[key]int) (n int) {
	for _, k := range m {
		n += k
	}
	return n
}

// The judge is what these tests rest on: it must find each fault.
func TestJudge(t *testing.T) {
	r := run("judge")
	k := key{3, "17"}
	x := func(n int) row { return row{"17", int64(n), "", r.payload(k, n)} }
	seq := func(x row, seq int64) row { x.seq = seq; return x }
	altered := x(2)
	altered.data = strings.Replace(altered.data, "{", "{ ", 1)
	foreign := x(2)
	foreign.id = "18"
	for _, c := range []struct {
		name string
		rows []row
		want verdict
	}{
		{"all", []row{x(1), x(2), x(3)}, verdict{stored: 3}},
		{"beyond what is promised", []row{x(1), x(2), x(3), x(4)}, verdict{stored: 4}},
		{"lost", []row{x(1), x(3)}, verdict{stored: 2, lost: 1}},
		{"nothing", nil, verdict{lost: 3}},
		{"gap", []row{x(1), x(2), x(3), x(5)}, verdict{stored: 4, gaps: 1}},
		{"doubled", []row{x(1), x(2), x(2), x(3)}, verdict{stored: 3, doubled: 1}},
		{"out of order", []row{x(1), seq(x(3), 2), seq(x(2), 3)}, verdict{stored: 3, disordered: 1}},
		{"numbers out of order", []row{x(1), seq(x(2), 7), seq(x(3), 6)}, verdict{stored: 3, disordered: 1}},
		{"altered", []row{x(1), altered, x(3)}, verdict{stored: 3, altered: 1}},
		{"another id", []row{x(1), foreign, x(3)}, verdict{stored: 2, unexpected: 1, lost: 1}},
		{"never sent", []row{x(1), x(2), x(3), x(6)}, verdict{stored: 3, unexpected: 1}},
		{"not ours", []row{x(1), x(2), x(3), {"17", 9, "", "null"}}, verdict{stored: 3, unexpected: 1}},
	} {
		if got := r.judge(c.rows, map[key]int{k: 3}, map[key]int{k: 5}); got != c.want {
			t.Errorf("%s: %+v, not %+v", c.name, got, c.want)
		}
	}
}
