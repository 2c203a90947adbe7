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

// A stage is a Go benchmark of one part of the program, whose figures belong to the
// targets.
type stage struct {
	pkg, pattern, times string
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
		{"./engine", "^BenchmarkLane$", "1x"},
		{"./transport", "^BenchmarkMessageAndAck$/^1000-ids$", "1000000x"},
		{"./transport", "^BenchmarkDecode$", "200000x"},
	}
}

// goBench runs the stages, and gives their figures by "Benchmark/name unit".
func goBench(ctx context.Context, log io.Writer, all []stage) (map[string]float64, error) {
	figures := make(map[string]float64)
	for _, s := range all {
		args := []string{"test", "-run=^$", "-bench=" + s.pattern, "-benchmem", "-benchtime=" + s.times, s.pkg}
		out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		for _, line := range benchLine.FindAll(out, -1) {
			_, _ = log.Write(line)
		}
		parseBench(out, figures)
	}
	return figures, nil
}

var benchLine = regexp.MustCompile(`(?m)^Benchmark.*\n`)

// parseBench reads lines like "BenchmarkX/y-2  100  12.5 ns/op  0 allocs/op".
func parseBench(out []byte, figures map[string]float64) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
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
