package drill

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ingestd/ingestd/internal/child/childtest"
	"github.com/ingestd/ingestd/internal/long"
	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// result is what `ingestd drill` did.
type result struct {
	status         int
	stdout, stderr string
	report         Report // of --json
	left           []os.DirEntry
}

// command is `ingestd drill` with a directory for its files.
func command(t *testing.T, args ...string) (cmd *exec.Cmd, temp string, stdout, stderr *bytes.Buffer) {
	t.Helper()
	temp = t.TempDir()
	cmd = exec.Command(childtest.Program(t), append([]string{"drill"}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, temp, stdout, stderr
}

// run runs a drill to its end.
func run(t *testing.T, args ...string) result {
	t.Helper()
	cmd, temp, stdout, stderr := command(t, args...)
	err := cmd.Run()
	r := result{status: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	if err != nil && r.status < 0 {
		t.Fatal(err)
	}
	if r.left, err = os.ReadDir(temp); err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(r.stdout, "{") {
		if err := json.Unmarshal([]byte(r.stdout), &r.report); err != nil {
			t.Fatalf("%v: %s", err, r.stdout)
		}
	}
	return r
}

// The daemon is killed under load, on each database, with and without the spool:
// nothing is lost, duplicated, out of order, or altered, and nothing stays behind.
func TestDrill(t *testing.T) {
	for _, sink := range []string{"sqlite", "mysql"} {
		for _, spool := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/spool=%v", sink, spool), func(t *testing.T) {
				t.Parallel()
				args := []string{
					"--json", fmt.Sprintf("--spool=%v", spool),
					fmt.Sprintf("--kills=%d", long.Scale(3, 100)),
					fmt.Sprintf("--messages=%d", long.Scale(2000, 500_000)),
					fmt.Sprintf("--rate=%d", long.Scale(3000, 6000)),
				}
				if sink == "mysql" {
					args = append(args, "--set=sink.mysql.dsn="+mariadbtest.DSN(t))
				}
				r := run(t, args...)
				t.Logf("%s", r.stdout)
				v := r.report
				if r.status != 0 || !v.OK || v.Sink != sink || v.Spool != spool || v.Kills < 3 || v.Acked < 2000 ||
					v.Stored < v.Acked || v.Sent < v.Stored {
					t.Errorf("status %d\n%s", r.status, r.stderr)
				}
				if len(r.left) != 0 {
					t.Errorf("left behind is %v", r.left)
				}
			})
		}
	}
}

// A drill that proves nothing is not passed.
func TestVoid(t *testing.T) {
	r := run(t, "--kills=1", "--min-acked=100000000", "--rate=2000", "--ids=5", "--clients=2")
	if r.status != 1 || !strings.Contains(r.stdout, "void: ") || strings.Contains(r.stdout, "passed") {
		t.Errorf("status %d: %s\n%s", r.status, r.stdout, r.stderr)
	}
}

// SIGINT ends it early, with a verdict on what was. What is kept is there.
func TestInterrupted(t *testing.T) {
	cmd, temp, stdout, _ := command(t, "--json", "--keep", "--kills=1000000", "--rate=2000", "--min-acked=1")
	cmd.Stderr = nil
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if strings.Contains(lines.Text(), "drill: kill 1 ") || strings.Contains(lines.Text(), "drill: kill 2 ") {
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	var r Report
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if !r.OK || !r.Stopped || !strings.HasPrefix(r.Kept, temp) {
		t.Errorf("%s", stdout)
	}
	for _, name := range []string{"ingest.db", "ingestd.log", "data"} {
		if _, err := os.Stat(filepath.Join(r.Kept, name)); err != nil {
			t.Error(err)
		}
	}
}

// What cannot begin is said with its own status, and no secret.
func TestCannotBegin(t *testing.T) {
	const secret = "pa55-w0rd"
	for _, c := range []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"a sink that cannot be read", []string{"--set=sink=stdout"}, 2, "needs the sink mysql or sqlite"},
		{"no kills", []string{"--kills=0"}, 2, "--kills must be at least 1"},
		{"no server", []string{"--set=sink.mysql.dsn=root:" + secret + "@tcp(127.0.0.1:1)/x"}, 3, "127.0.0.1:1"},
		{"a wrong configuration", []string{"--set=router.batch_size=0"}, 2, "batch_size"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := run(t, c.args...)
			if r.status != c.status || !strings.Contains(r.stderr, c.says) || strings.Contains(r.stderr+r.stdout, secret) {
				t.Errorf("status %d: %s%s", r.status, r.stdout, r.stderr)
			}
			if len(r.left) != 0 {
				t.Errorf("left behind is %v", r.left)
			}
		})
	}
}
