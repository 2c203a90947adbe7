// Package deploy has no code: its test keeps what is deployed in step with the
// program.
package deploy

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// Every target that is released compiles, without cgo; the one for Linux is static.
func TestTargets(t *testing.T) {
	for _, target := range [][2]string{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}} {
		out := filepath.Join(t.TempDir(), "ingestd")
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "../cmd/ingestd")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+target[0], "GOARCH="+target[1])
		if text, err := build.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", target, err, text)
			continue
		}
		if target[0] == "linux" {
			static(t, out)
		}
	}
}

func static(t *testing.T, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("%s is linked dynamically: %v", path, p.Type)
		}
	}
}

// find gives what stands for the group of pattern in a file.
func find(t *testing.T, file, pattern string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(pattern).FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s has no %s", file, pattern)
	}
	return string(m[1])
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Who ends the process waits for longer than its drain may take, and than a sink may
// need that hangs.
func TestDrainsHaveTheirTime(t *testing.T) {
	const hangs = 6 * time.Second
	drain := engine.DefaultOptions().ShutdownTimeout
	if d := duration(t, find(t, "systemd/ingestd.service", `(?m)^TimeoutStopSec=(\S+)$`)); d < drain+hangs {
		t.Errorf("the unit waits for %v", d)
	}
	if d := duration(t, find(t, "../Dockerfile", `INGESTD_SHUTDOWN_TIMEOUT=(\S+)`)); d >= 10*time.Second || d < time.Second {
		t.Errorf("the image drains for %v, and Docker waits for 10s", d)
	}
	const compose = "compose/compose.yaml"
	if d, grace := duration(t, find(t, compose, `INGESTD_SHUTDOWN_TIMEOUT: (\S+)`)), duration(t, find(t, compose, `stop_grace_period: (\S+)`)); grace < d+hangs {
		t.Errorf("compose waits for %v, and the drain takes %v", grace, d)
	}
	const pods = "kubernetes/ingestd.yaml"
	grace, _ := strconv.Atoi(find(t, pods, `terminationGracePeriodSeconds: (\d+)`))
	pause, _ := strconv.Atoi(find(t, pods, `sleep: \{seconds: (\d+)\}`))
	takes := duration(t, find(t, pods, `INGESTD_SHUTDOWN_TIMEOUT, value: (\w+)`)) + time.Duration(pause)*time.Second
	if d := time.Duration(grace) * time.Second; d < takes+hangs {
		t.Errorf("the pod has %v, and the end takes %v", d, takes)
	}
}
