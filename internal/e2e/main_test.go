package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// patience is how long a test waits for what is sure to come. It is no
// measurement: only a program that hangs makes a test wait as long.
const patience = 3 * time.Minute

// binaries is where the programs are built.
var binaries string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	var err error
	if binaries, err = os.MkdirTemp("", "ingestd-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(binaries) }()
	_ = os.Unsetenv("INGESTD_CONFIG")
	if _, err := plain(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return mariadbtest.Main(m)
}

// plain builds the program as users have it, raced with the race detector. Each
// is built once, and returns its path.
var (
	plain = sync.OnceValues(func() (string, error) { return build("ingestd") })
	raced = sync.OnceValues(func() (string, error) { return build("ingestd-race", "-race") })
)

func build(name string, flags ...string) (string, error) {
	path := filepath.Join(binaries, name)
	args := append([]string{"build", "-o", path}, flags...)
	out, err := exec.Command("go", append(args, "../../cmd/ingestd")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}
