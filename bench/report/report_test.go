package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/bench/ladder"
)

// sample is one of 1,000 messages that took a second, with so many µs a message.
func sample(daemon, database float64) Sample {
	return Sample{
		Messages: 1000, Elapsed: time.Second,
		Daemon: time.Duration(daemon * 1e6), Database: time.Duration(database * 1e6),
	}
}

func example() *Report {
	return &Report{
		Machine: Machine{CPU: "a <chip>", Cores: 2, Commit: "abc", MariaDB: "10.11"},
		Rounds:  3, Seconds: 2,
		Rows: []Row{
			{"receive", "Receive", "read-decode", "limit: decoder", []Sample{sample(1, 0), sample(2, 0), sample(10, 0)}},
			{"receive", "Receive", "discard", "discard", []Sample{sample(1.4, 0), sample(3.2, 0), sample(10, 0)}},
			{"ladder", "Ladder", "mariadb", "MariaDB", []Sample{sample(3, 5)}},
			{"ladder", "Ladder", "channels-repaired", "ladder: channels-repaired", []Sample{{
				Messages: 900, Elapsed: time.Second,
				Ladder: &Fate{Counts: ladder.Counts{Stored: 900, Lost: 100, OutOfOrder: 3}, Rate: 100},
			}}},
			{"ladder", "Ladder", "map", "ladder: map", []Sample{{Ladder: &Fate{Died: "fatal error: concurrent map writes"}}}},
		},
		Stages: map[string]float64{"BenchmarkSparse cpu-µs/op": 7},
	}
}

// A ratio is that of one round, and the median of the rounds counts.
func TestTargets(t *testing.T) {
	r := example()
	r.Judge()
	if len(r.Targets) != len(targets) {
		t.Fatalf("%d targets", len(r.Targets))
	}
	find := func(what string) Target {
		for _, target := range r.Targets {
			if strings.Contains(target.What, what) {
				return target
			}
		}
		t.Fatalf("no target is about %q", what)
		return Target{}
	}
	// 1.4, 1.6 and 1.0 in the three rounds, though the medians are 3.2 and 2.
	if x := find("websocket to discard"); math.Abs(x.Figure-1.4) > 1e-9 || x.Verdict != Met || x.Got != "1.40 × (3.20 µs against 2.00)" {
		t.Errorf("%+v", x)
	}
	if x := find("repaired dynamic channels"); x.Figure != 10 || x.Verdict != Met {
		t.Errorf("%+v", x)
	}
	if x := find("sparse ids"); x.Figure != 7 || x.Verdict != Missed {
		t.Errorf("%+v", x)
	}
	if x := find("websocket to SQLite"); x.Verdict != Open || x.Figure != 0 {
		t.Errorf("%+v", x)
	}
	r.Rows[3].Samples[0].Ladder.Rate = 0 // then there is no ratio
	r.Judge()
	if x := find("repaired dynamic channels"); x.Figure != 0 || x.Verdict != Open {
		t.Errorf("%+v", x)
	}
	for _, c := range []struct {
		p99, write time.Duration
		want       Verdict
	}{{80 * time.Millisecond, 10 * time.Millisecond, Met}, {81 * time.Millisecond, 10 * time.Millisecond, Missed}} {
		s := sample(1, 0)
		s.P99, s.WriteP99 = c.p99, c.write
		r.Rows = append(r.Rows[:5:5], Row{Block: "latency", Name: "half", Samples: []Sample{s}})
		r.Judge()
		if x := find("p99 receive-to-stored"); x.Verdict != c.want {
			t.Errorf("%+v", x)
		}
	}
}

// What the spool adds is a difference, and what it leaves a ratio.
func TestSpool(t *testing.T) {
	r := example()
	slow := sample(2.3, 0)
	slow.Elapsed = 2 * time.Second
	r.Rows = append(r.Rows, Row{Block: "receive", Name: "discard-spool", Samples: []Sample{slow}})
	r.Judge()
	var got []string
	for _, x := range r.Targets {
		if x.Verdict != Open && (strings.Contains(x.What, "spool") || strings.HasPrefix(x.Want, "at least 70")) {
			got = append(got, x.Got+" "+string(x.Verdict))
		}
	}
	want := "0.90 µs more (2.30 against 3.20) met, 0.50 × (500 a second against 1,000) not met"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s", s)
	}
}

// What a hop adds is the difference of all servers' CPU within a round, and a run
// that measures NATS has its columns and targets.
func TestHops(t *testing.T) {
	way := func(daemon, nats, writer, database float64) Sample {
		s := sample(daemon, database)
		s.NATS, s.Writer = time.Duration(nats*1e6), time.Duration(writer*1e6)
		s.Carriers, s.StreamBytes = 50, 90_000
		return s
	}
	r := &Report{NATS: true, Rows: []Row{
		{"nats-edge", "Edge", "discard", "discard", []Sample{sample(1, 0), sample(2, 0), sample(10, 0)}},
		{"nats-edge", "Edge", "nats", "edge: one", []Sample{way(2, 1, 0, 0), way(3, 3, 0, 0), way(11, 9, 0, 0)}},
		{"nats-chain", "Chain", "mysql", "MariaDB", []Sample{sample(4, 6)}},
		{"nats-chain", "Chain", "chain", "chain", []Sample{way(3, 1, 4, 7)}},
	}}
	r.Judge()
	want := []Hop{
		{"to publish, one server that syncs", "discard", 2, 4, 3}, // 2, 4 and 10 µs; 3, 3 and 2 times
		{"edge, one server that syncs, writer", "one daemon into MariaDB", 10, 5, 1.5},
	}
	if !slices.Equal(r.Hops, want) {
		t.Errorf("%+v", r.Hops)
	}
	if len(r.Targets) != 2 || r.Targets[0].Got != "1,000" || r.Targets[0].Verdict != Missed || r.Targets[1].Got != "20" || r.Targets[1].Verdict != Met {
		t.Errorf("%+v", r.Targets)
	}
	for _, part := range []string{
		"| to publish, one server that syncs | discard | 4.00 | 3.00 |",
		"| messages a carrier | bytes a message |",
		"| chain | 1,000 | 3.00 | 1.00 | 4.00 | 7.00 | 15.00 |",
		"| 20 | 90 |",
	} {
		if text := r.Markdown(); !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
	var b bytes.Buffer
	if err := r.Table(&b); err != nil || !strings.Contains(b.String(), "discard: 4.00 µs more (3.00 × 2.00)") {
		t.Errorf("%v\n%s", err, &b)
	}
}

// The median is the middle, or between the two in the middle.
func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.values); got != c.want {
			t.Errorf("%v: %v", c.values, got)
		}
	}
}

// Numbers are written with commas.
func TestNumber(t *testing.T) {
	for _, c := range []struct {
		v      float64
		digits int
		want   string
	}{{0, 0, "0"}, {999, 0, "999"}, {1000, 0, "1,000"}, {1234567.891, 2, "1,234,567.89"}, {-123456, 0, "-123,456"}, {-123, 0, "-123"}} {
		if got := number(c.v, c.digits); got != c.want {
			t.Errorf("%v: %s", c.v, got)
		}
	}
}

// A document keeps what is outside the marks.
func TestInsert(t *testing.T) {
	r := example()
	r.Judge()
	path := filepath.Join(t.TempDir(), "x.md")
	if err := os.WriteFile(path, []byte("# Title\n"+Begin+"\nold\n"+End+"\nThe end.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var last string
	for range 2 { // it can be done again
		if err := Insert(path, r.Markdown()); err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(path)
		if s := string(text); last != "" && s != last {
			t.Errorf("the second time it is\n%s", s)
		}
		last = string(text)
	}
	for _, part := range []string{
		"# Title\n", "\nThe end.\n", "a <chip>", "MariaDB 10.11", "3 rounds of about 2 s", "**not met**", "not measured",
		"\n### Receive\n", "| discard | 1,000 | 3.20 |  |", "| ladder: channels-repaired | 1,000 | 900 | 100 | 0 | 3 | 0 | 0 | 0 |  |",
		"concurrent map writes |",
	} {
		if !strings.Contains(last, part) {
			t.Errorf("%q is not in\n%s", part, last)
		}
	}
	if strings.Contains(last, "old") {
		t.Error("what was there is kept")
	}
	if err := os.WriteFile(path, []byte(Begin), 0o600); err != nil {
		t.Fatal(err)
	}
	if Insert(path, "x") == nil || Insert(path+"?", "x") == nil {
		t.Error("a document without marks is written")
	}
}

// The chart is well-formed, and its bars are as long as what they stand for.
func TestChart(t *testing.T) {
	var b bytes.Buffer
	if err := example().Chart(&b); err != nil {
		t.Fatal(err)
	}
	svg := b.String()
	for d := xml.NewDecoder(&b); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []string{
		"bare read loop and decoder", "prefers-color-scheme", "it died", "100 (loses or disorders)",
		`class="daemon" x="290.0" y="72" width="410.0"`, // 3.2, the most
		`class="limit" x="290.0" y="44" width="256.2"`,  // 2
	} {
		if !strings.Contains(svg, part) {
			t.Errorf("%q is not in\n%s", part, svg)
		}
	}
}

// The table for a terminal has all rows and targets.
func TestTable(t *testing.T) {
	r := example()
	r.Judge()
	var b bytes.Buffer
	if err := r.Table(&b); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"messages/s", "limit: decoder", "ladder: map", "not measured"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("%q is not in\n%s", part, &b)
		}
	}
}
