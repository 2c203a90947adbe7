// Package deploy has no code: its test keeps what is deployed in step with the
// program.
package deploy

import (
	"bytes"
	"debug/elf"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

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
	for _, file := range composed {
		for name, s := range servicesOf(t, file) {
			if d, grace := duration(t, s.settings["INGESTD_SHUTDOWN_TIMEOUT"]), duration(t, s.grace); grace < d+hangs {
				t.Errorf("%s waits %v for %s, and the drain takes %v", file, grace, name, d)
			}
		}
	}
	const pods = "kubernetes/ingestd.yaml"
	grace, _ := strconv.Atoi(find(t, pods, `terminationGracePeriodSeconds: (\d+)`))
	pause, _ := strconv.Atoi(find(t, pods, `sleep: \{seconds: (\d+)\}`))
	takes := duration(t, find(t, pods, `INGESTD_SHUTDOWN_TIMEOUT, value: (\w+)`)) + time.Duration(pause)*time.Second
	if d := time.Duration(grace) * time.Second; d < takes+hangs {
		t.Errorf("the pod has %v, and the end takes %v", d, takes)
	}
}

// composed are the files for compose.
var composed = []string{"compose/compose.yaml", "compose/nats.yaml"}

// service is what a file for compose says of one.
type service struct {
	settings map[string]string // variables of ingestd
	grace    string
}

var (
	serviceLine = regexp.MustCompile(`^  (\w+):`)
	settingLine = regexp.MustCompile(`^      (INGESTD_\w+): "?(.+?)"?$`)
	graceLine   = regexp.MustCompile(`^    stop_grace_period: (\S+)`)
	fallback    = regexp.MustCompile(`\$\{\w+:-(.*?)\}`)
)

// servicesOf reads the services of a file that run ingestd.
func servicesOf(t *testing.T, file string) map[string]*service {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	services := make(map[string]*service)
	of := &service{}
	_, text, _ = bytes.Cut(text, []byte("\nservices:\n"))
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\n"); line != "" && line[0] != ' ' {
			break // what comes behind the services
		}
		if m := serviceLine.FindStringSubmatch(line); m != nil {
			of = &service{settings: make(map[string]string)}
			services[m[1]] = of
		} else if m := settingLine.FindStringSubmatch(line); m != nil {
			of.settings[m[1]] = fallback.ReplaceAllString(m[2], "$1")
		} else if m := graceLine.FindStringSubmatch(line); m != nil {
			of.grace = m[1]
		}
	}
	maps.DeleteFunc(services, func(_ string, s *service) bool { return len(s.settings) == 0 })
	return services
}

// What the files for compose set is there to be set, and right.
func TestComposedSettings(t *testing.T) {
	program := filepath.Join(t.TempDir(), "ingestd")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/ingestd").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	checked := 0
	for _, file := range composed {
		for name, s := range servicesOf(t, file) {
			check := exec.Command(program, "check")
			check.Dir = t.TempDir()
			for key, value := range s.settings {
				check.Env = append(check.Env, key+"="+value)
			}
			out, err := check.CombinedOutput()
			if err != nil || strings.Contains(string(out), "# Warning") {
				t.Errorf("%s, %s: %v\n%s", file, name, err, out)
			}
			checked++
		}
	}
	if checked != 3 {
		t.Errorf("%d services are checked", checked)
	}
}

// The nodes of NATS can read what they are given, and sync what they ack.
func TestComposedNATS(t *testing.T) {
	text, err := os.ReadFile("compose/nats.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, config, _ := strings.Cut(string(text), "    content: |\n")
	config, _, _ = strings.Cut(config, "\nvolumes:")
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !o.SyncAlways || !o.JetStream || o.Cluster.Name == "" || len(o.Routes) != 3 || o.HTTPPort != 8222 {
		t.Errorf("%+v", o)
	}
}
