package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/bench/lab"
	"github.com/ingestd/ingestd/bench/limit"
	"github.com/ingestd/ingestd/bench/load"
	"github.com/ingestd/ingestd/bench/report"
)

// needLinux skips elsewhere. The parts die with the thread that started them, which is
// the test's own from now on, as it is main's.
func needLinux(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if runtime.GOOS != "linux" {
		t.Skip("the benchmarks look at processes as only Linux shows them")
	}
}

// The benchmarks run from end to end, small: what they write has the figures of all
// processes.
func TestBench(t *testing.T) {
	needLinux(t)
	dir := t.TempDir()
	document := filepath.Join(dir, "performance.md")
	if err := os.WriteFile(document, []byte("before "+report.Begin+" old "+report.End+" after"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	err := bench(t.Context(), []string{
		"--only", `^receive/(read-decode|discard)$|^sqlite/(sqlite-50|sqlite-acks|bulk-10)$`, "--rounds", "1", "--most", "2000",
		"--json", filepath.Join(dir, "p.json"), "--markdown", document, "--svg", filepath.Join(dir, "p.svg"),
	}, &out, &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	var r report.Report
	text, err := os.ReadFile(filepath.Join(dir, "p.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if r.Machine.Cores < 1 || r.Machine.Kernel == "" || r.Machine.SQLite == "" || r.Machine.Memory == 0 {
		t.Errorf("the machine is %+v", r.Machine)
	}
	var names []string
	for _, row := range r.Rows {
		names = append(names, row.Block+"/"+row.Name)
		if len(row.Samples) != 1 {
			t.Fatalf("%s has %d samples", row.Name, len(row.Samples))
		}
		s := row.Samples[0]
		bulk := strings.HasPrefix(row.Name, "bulk")
		if s.Messages < 1000 || s.Elapsed <= 0 || s.Daemon <= 0 || s.Peak < 1<<20 || (s.Client > 0) == bulk || s.Database != 0 {
			t.Errorf("%s: %+v", row.Name, s)
		}
		if stores := !bulk && row.Name != "read-decode"; stores != (s.P50 > 0 && s.P99 >= s.P50 && s.WriteP99 > 0) {
			t.Errorf("%s: %+v", row.Name, s)
		}
	}
	// sqlite tells the others of its block how many messages fill a round.
	want := "receive/read-decode receive/discard sqlite/sqlite sqlite/sqlite-50 sqlite/sqlite-acks sqlite/bulk-10"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("it ran %s, not %s", got, want)
	}
	written, _ := os.ReadFile(document)
	svg, _ := os.ReadFile(filepath.Join(dir, "p.svg"))
	for _, part := range []string{"before ", " after", "| discard |"} {
		if !strings.Contains(string(written), part) {
			t.Errorf("the document has no %q:\n%s", part, written)
		}
	}
	if strings.Contains(string(written), " old ") || !strings.Contains(string(svg), "websocket to discard") {
		t.Errorf("it wrote\n%s\n%s", written, svg)
	}
	if !strings.Contains(out.String(), "daemon CPU a message") {
		t.Errorf("it printed\n%s", &out)
	}
}

// MariaDB's part in the cost is measured, and its rows are counted.
func TestBenchMariaDB(t *testing.T) {
	needLinux(t)
	e, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	l := with(numbered)
	l.Count = 1280
	for name, s := range map[string]subject{
		"ours":   ours{sink: "mysql", spool: true},
		"bulk":   bulk{limit.Bulk{Dialect: "mysql", RowsAnID: 10}},
		"bare":   bulk{limit.Bulk{Dialect: "mysql", RowsAnID: 50, Bare: true}},
		"ladder": rung{"channels-bulk"},
		"stdout": ours{sink: "stdout"},
		"sqlite": bulk{limit.Bulk{Dialect: "sqlite", RowsAnID: 50, Bare: true}},
	} {
		l := l
		if name == "ladder" {
			l.Conns, l.IDs, l.Count = 4, 4, 40 // whole batches, which wait for nothing
		}
		sample, err := s.run(t.Context(), e, l, true)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		inMariaDB := name != "stdout" && name != "sqlite"
		if sample.Messages < l.Count || sample.Daemon <= 0 || (sample.Database > 0) != inMariaDB {
			t.Errorf("%s: %+v", name, sample)
		}
		if f := sample.Ladder; (f != nil) != (name == "ladder") || f != nil && (f.Lost+f.Doubled+f.OutOfOrder > 0 || f.Stored != 40) {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if m := e.Machine(t.Context()); !strings.Contains(m.MariaDB, "MariaDB") {
		t.Errorf("the server is %q", m.MariaDB)
	}
}

// A load that does not arrive is no measurement.
func TestLossIsAnError(t *testing.T) {
	needLinux(t)
	e, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	l := standard()
	l.Count = 64
	// Each message is larger than the server takes.
	tight := ours{sink: "discard", set: []string{"transport.websocket.max_message_size=64B"}}
	if s, err := tight.run(t.Context(), e, l, false); err == nil || !strings.Contains(err.Error(), "1009") {
		t.Errorf("what was refused counts: %+v, %v", s, err)
	}
	if _, err := (ours{sink: "discard", set: []string{"router.nothing=1"}}).run(t.Context(), e, l, false); err == nil {
		t.Error("a daemon that does not start is measured")
	}
	l.IDs = 7
	if _, err := (reader{}).run(t.Context(), e, l, false); err == nil || !strings.Contains(err.Error(), "of their own") {
		t.Errorf("the error is %v", err)
	}
}

// What edges, NATS servers and writers cost is measured, each by itself.
func TestBenchNATS(t *testing.T) {
	needLinux(t)
	dir := t.TempDir()
	document := filepath.Join(dir, "scaling.md")
	if err := os.WriteFile(document, []byte(report.Begin+report.End), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	err := bench(t.Context(), []string{
		"--nats", "--only", `^nats-edge/(discard|nats|nats-3)$|^nats-writer/writer-sqlite$`, "--rounds", "1", "--most", "2000",
		"--json", filepath.Join(dir, "s.json"), "--markdown", document,
	}, &out, &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	var r report.Report
	text, err := os.ReadFile(filepath.Join(dir, "s.json"))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !r.NATS || r.Machine.NATS == "" || len(r.Rows) != 5 || len(r.Hops) != 4 {
		t.Errorf("%+v", r)
	}
	for _, row := range r.Rows {
		s := row.Samples[0]
		if s.Messages < 1000 || s.Elapsed <= 0 || s.Daemon <= 0 || s.Writer != 0 {
			t.Errorf("%s: %+v", row.Name, s)
		}
		streamed := row.Name != "discard" && row.Name != "sqlite"
		if streamed != (s.NATS > 0) || streamed != (s.Carriers > 0 && s.StreamBytes > int64(s.Messages)*100) {
			t.Errorf("%s: %+v", row.Name, s)
		}
	}
	written, _ := os.ReadFile(document)
	for _, part := range []string{"nats-server " + r.Machine.NATS, "### What a hop adds", "| NATS µs |", "| to have three replicas |"} {
		if !strings.Contains(string(written), part) {
			t.Errorf("the document has no %q:\n%s", part, written)
		}
	}
}

// The whole way is measured, with all that takes part in it, until everything is
// stored.
func TestChain(t *testing.T) {
	needLinux(t)
	e, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	l := with(numbered)
	l.Count = 1280
	s, err := chain{writer{ours{sink: "mysql"}, one}, []string{"router.batch_wait=5ms"}}.run(t.Context(), e, l, true)
	if err != nil {
		t.Fatal(err)
	}
	if s.Messages != 1280 || s.Daemon <= 0 || s.Writer <= 0 || s.NATS <= 0 || s.Database <= 0 || s.Client <= 0 || s.Carriers <= 0 || s.P50 <= 0 || s.P99 < s.P50 {
		t.Errorf("%+v", s)
	}
}

// A stream that misses a message, or has one in another place, is no measurement.
func TestReadStream(t *testing.T) {
	needLinux(t)
	e, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	at, err := openStore(t.Context(), e, "nats", one)
	if err != nil {
		t.Fatal(err)
	}
	defer at.drop()
	l := standard()
	l.Count = 64
	s, err := fill(t.Context(), e, l, at)
	if err != nil || s.Messages != 64 {
		t.Fatalf("%+v, %v", s, err)
	}
	if err := at.check(t.Context(), &report.Sample{Messages: 65}, false); err == nil || !strings.Contains(err.Error(), "64 stored") {
		t.Errorf("the error is %v", err)
	}
	if err := at.check(t.Context(), &s, true); err != nil {
		t.Error(err)
	}
	if _, err := fill(t.Context(), e, l, at); err == nil { // which has the same again
		t.Error("it counts 128 for 64")
	}
	if err := at.check(t.Context(), &report.Sample{Messages: 128}, true); err == nil || !strings.Contains(err.Error(), "after 1 messages") {
		t.Errorf("the error is %v", err)
	}
}

// What the command line says wrong is told, and runs nothing.
func TestArguments(t *testing.T) {
	var log bytes.Buffer
	for _, args := range [][]string{{"--nothing"}, {"nothing"}, {"--only", "("}} {
		if err := bench(t.Context(), args, &log, &log); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	for _, args := range [][]string{{"part-nothing", "{}"}, {"part-load"}, {"part-load", "?"}, {"part-nats", `{"listen": "?"}`}, {serveName, "file"}, {serveName, "file", "many"}} {
		if status, played := playPart(args); status == 0 || !played {
			t.Errorf("%q: %d, %v", args, status, played)
		}
	}
	if _, played := playPart([]string{"--quick"}); played {
		t.Error("flags are a part")
	}
}

// Every name that a target or a case refers to is that of a case, and the quick run
// leaves out only what is slow.
func TestCases(t *testing.T) {
	seen := map[string]bool{}
	all := append(blocks(), natsBlocks()...)
	for _, b := range all {
		names := map[string]bool{"": true}
		for _, c := range b.cases {
			if names[c.name] || c.title == "" || c.warm == 0 && !c.cold && c.half == "" || c.cold && c.count == 0 {
				t.Errorf("%s/%s: %+v", b.name, c.name, c)
			}
			if !names[c.half] { // it must have run before
				t.Errorf("%s/%s refers to %s", b.name, c.name, c.half)
			}
			names[c.name] = true
			l := c.sized(max(c.warm, c.count, 1000))
			l.URL = "ws://127.0.0.1:1/"
			if _, isBulk := c.subject.(bulk); !isBulk {
				if err := l.Validate(); err != nil {
					t.Errorf("%s/%s: %v", b.name, c.name, err)
				}
			}
		}
		for _, c := range b.cases {
			if !names[c.like] {
				t.Errorf("%s/%s refers to %s", b.name, c.name, c.like)
			}
		}
		if seen[b.name] || b.title == "" {
			t.Errorf("block %q", b.name)
		}
		seen[b.name] = true
	}
	var r report.Report
	for _, b := range all {
		for _, c := range b.cases {
			r.Rows = append(r.Rows, report.Row{Block: b.name, Name: c.name, Samples: []report.Sample{{Messages: 1, Elapsed: 1, Daemon: 1}}})
		}
	}
	r.Judge()
	for _, target := range r.Targets {
		if target.Verdict == report.Open && !strings.Contains(target.What, "lane") &&
			!strings.Contains(target.What, "router") && !strings.HasPrefix(target.What, "the same") {
			t.Errorf("no case measures %q", target.What)
		}
	}
	r.NATS = true
	r.Judge()
	for _, target := range r.Targets {
		if target.Verdict == report.Open {
			t.Errorf("no case measures %q", target.What)
		}
	}
	if len(r.Hops) != 11 {
		t.Errorf("%d hops are measured", len(r.Hops))
	}
}

// The load of a case is the standard one, with what it says.
func TestLoads(t *testing.T) {
	got := with(fifty, numbered, shared, single, ids(5), conns(6), size(700))
	want := load.Config{Conns: 6, IDs: 5, Shared: true, Size: 700, PerFrame: 50, Burst: 1, Numbered: true}
	if got != want || with() != standard() {
		t.Errorf("%+v", got)
	}
}

// The figures of Go benchmarks are read by name and unit.
func TestParseBench(t *testing.T) {
	figures := map[string]float64{}
	parseBench([]byte("goos: linux\nBenchmarkX/streams=1000-2  \t 100\t 12.5 ns/op\t 0.25 cpu-µs/op\t  3 allocs/op\n"+
		"BenchmarkY/a-b 1 5 B/op\nPASS\nok  pkg 1s\n"+
		"=== RUN   TestZ\n    z_test.go:52: collecting: 512 B\n    z_test.go:53: nothing else\n--- PASS: TestZ (1.0s)\n"), figures)
	want := map[string]float64{
		"BenchmarkX/streams=1000 ns/op": 12.5, "BenchmarkX/streams=1000 cpu-µs/op": 0.25,
		"BenchmarkX/streams=1000 allocs/op": 3, "BenchmarkY/a-b B/op": 5,
		"TestZ collecting": 512,
	}
	if len(figures) != len(want) {
		t.Errorf("%v", figures)
	}
	for k, v := range want {
		if figures[k] != v {
			t.Errorf("%s is %v, not %v", k, figures[k], v)
		}
	}
}

// What a message allocates is taken from the second half of a run.
func TestPerMessage(t *testing.T) {
	heap := []heapSample{{10, 1000}, {50, 2000}, {100, 2100}, {110, 2105}}
	if got := perMessage(heap); got != 5.0/10 {
		t.Errorf("%v", got)
	}
	if perMessage(nil) != 0 || perMessage(heap[:1]) != 0 {
		t.Error("few samples say something")
	}
}
