package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// A stage is a Go benchmark of one part of the program, or a test that tells what it
// has measured, whose figures belong to the targets.
type stage struct {
	pkg, pattern string
	times        string // of a benchmark; empty: a test
}

// stages are those that there are figures of.
func stages(quick bool) []stage {
	sparse := "1000000x"
	if quick {
		sparse = "100000x"
	}
	return []stage{
		{"./engine", "^BenchmarkRoute$/^streams=1000$", "1000000x"},
		{"./engine", "^BenchmarkSparse$", sparse},
		{"./engine", "^TestMemoryOfALane$", ""},
		{"./transport", "^BenchmarkMessageAndAck$/^1000-ids$", "1000000x"},
		{"./transport", "^BenchmarkDecoder$", "200000x"},
	}
}

// goBench runs the stages, and gives their figures by "Benchmark/name unit".
func goBench(ctx context.Context, log io.Writer, all []stage) (map[string]float64, error) {
	figures := make(map[string]float64)
	for _, s := range all {
		args := []string{"test", "-run=^$", "-bench=" + s.pattern, "-benchmem", "-benchtime=" + s.times, s.pkg}
		if s.times == "" {
			args = []string{"test", "-run=" + s.pattern, "-count=1", "-v", s.pkg}
		}
		out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		for _, line := range told.FindAll(out, -1) {
			_, _ = log.Write(line)
		}
		parseBench(out, figures)
	}
	return figures, nil
}

// told are the lines with figures.
var told = regexp.MustCompile(`(?m)^(Benchmark.*| +\w+_test.go:\d+: \w+: \d+ B.*)\n`)

// logged is a line of a test's log that has a figure.
var logged = regexp.MustCompile(`^ +\w+_test.go:\d+: (\w+): (\d+) B`)

// parseBench reads lines like "BenchmarkX/y-2  100  12.5 ns/op  0 allocs/op", and,
// behind "=== RUN   TestX", those like "x_test.go:52: collecting: 512 B".
func parseBench(out []byte, figures map[string]float64) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	test := ""
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[1] == "RUN" {
			test = fields[2]
		}
		if m := logged.FindStringSubmatch(lines.Text()); m != nil {
			figures[test+" "+m[1]], _ = strconv.ParseFloat(m[2], 64)
		}
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := fields[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 { // the number of processors
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i]
			}
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				figures[name+" "+fields[i+1]] = v
			}
		}
	}
}
