package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/ingestd/ingestd/daemon" // so `go test` runs again where it has changed
)

// patience is how long a test waits for what is sure to come. It is no
// measurement: only a program that hangs makes a test wait as long.
const patience = time.Minute

// ingestd is the built daemon.
var ingestd string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ingestd-clients-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ingestd = filepath.Join(dir, "ingestd")
	if out, err := exec.Command("go", "build", "-o", ingestd, "../../cmd/ingestd").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	_ = os.Unsetenv("INGESTD_CONFIG")
	return m.Run()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("in vain: %s", what)
		}
	}
}
