// Package childtest gives tests the built ingestd, as a process of its own.
//
// A package that uses it hands its TestMain to [Main]:
//
//	func TestMain(m *testing.M) { os.Exit(childtest.Main(m)) }
package childtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/child"
	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// Patience is how long a test waits for what is sure to come. It is no
// measurement: only a program that hangs makes a test wait as long.
const Patience = 3 * time.Minute

var built struct {
	once sync.Once
	dir  string
	err  error
}

// Main runs the tests, and removes what they made for all of them: the program and
// the server of package mariadbtest. It returns the exit status.
func Main(m *testing.M) int {
	_ = os.Unsetenv("INGESTD_CONFIG")
	defer func() {
		if built.dir != "" {
			_ = os.RemoveAll(built.dir)
		}
	}()
	return mariadbtest.Main(m)
}

// Program is the path of ingestd, which the first call builds, with the tags that
// the test was built with.
func Program(tb testing.TB) string {
	tb.Helper()
	built.once.Do(func() { built.err = build() })
	if built.err != nil {
		tb.Fatal(built.err)
	}
	return filepath.Join(built.dir, "ingestd")
}

func build() (err error) {
	if built.dir, err = os.MkdirTemp("", "ingestd-test-"); err != nil {
		return err
	}
	args := []string{"build", "-o", filepath.Join(built.dir, "ingestd")}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-tags" {
				args = append(args, "-tags="+s.Value)
			}
		}
	}
	out, err := exec.Command("go", append(args, "github.com/ingestd/ingestd/cmd/ingestd")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// Launch runs ingestd with its files in dir, at this address, without an admin
// server unless args say otherwise. It is killed when the test ends.
func Launch(tb testing.TB, dir, listen string, args ...string) *child.Daemon {
	tb.Helper()
	all := append([]string{"run", "--set=transport.websocket.listen=" + listen}, args...)
	if !strings.Contains(strings.Join(args, " "), "admin.listen=") {
		all = append(all, "--set=admin.listen=")
	}
	d, err := child.Start(child.Command{Path: Program(tb), Args: all, Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		d.Kill()
		if tb.Failed() {
			tb.Logf("the last that ingestd said:\n%s", d.Log())
		}
	})
	return d
}

// Run is Launch, and waits until the daemon is ready.
func Run(tb testing.TB, dir, listen string, args ...string) *child.Daemon {
	tb.Helper()
	d := Launch(tb, dir, listen, args...)
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if _, err := d.Ready(ctx); err != nil {
		tb.Fatal(err)
	}
	return d
}
