package mysql_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	osexec "os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// A process that is frozen in the middle of a transaction keeps nobody from its keys
// for long. When it goes on, it fails, and what it writes again is there already.
func TestFrozenWriter(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	p, through := newProxy(t, dsn)
	if !isMariaDB(t, dsn) { // there the limit is the sink's own
		through = with(t, through, func(cfg *driver.Config) { cfg.Params = idleLimit(t, dsn, 5) })
	}
	s, db := opened(t, config(dsn)), mariadbtest.DB(t, dsn)
	p.hold()
	runtime.LockOSThread() // the process ends when the thread does
	defer runtime.UnlockOSThread()
	frozen := spawn(t, through)
	<-p.held // all but the COMMIT has come to the server
	frozen.signal(syscall.SIGSTOP)
	p.pass()
	for _, r := range write(t, s, round(0)...) { // or the wait for the lock is over first
		if r.Duplicates > 0 {
			t.Error("the frozen one has stored something")
		}
	}
	write(t, s, round(1)...)
	before := count(t, db, "SELECT COUNT(*) FROM messages")
	frozen.signal(syscall.SIGCONT)
	said := frozen.rest()
	if len(said) != 2 || !strings.HasPrefix(said[0], "transient=true: ") || said[1] != fmt.Sprint("stored already: ", messages(round(0))) {
		t.Errorf("the frozen one said: %q", said)
	}
	if n := count(t, db, "SELECT COUNT(*) FROM messages"); n != before {
		t.Errorf("%d messages, then %d", before, n)
	}
}

// process is this test, run as another process.
type process struct {
	t   *testing.T
	cmd *osexec.Cmd
	out *bufio.Scanner
}

func spawn(t *testing.T, dsn string) *process {
	t.Helper()
	p := &process{t: t, cmd: osexec.CommandContext(t.Context(), os.Args[0])}
	p.cmd.Env = append(os.Environ(), frozenDSN+"="+dsn)
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewScanner(out)
	return p
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// rest gives what it says until its end.
func (p *process) rest() (lines []string) {
	p.t.Helper()
	for p.out.Scan() {
		lines = append(lines, p.out.Text())
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Error(err)
	}
	return lines
}

// The time of a statement does not count, and what Apply does between two of them
// counts only where the DSN asks for it. Then it is an error that passes.
func TestSlowApply(t *testing.T) {
	for _, c := range []struct {
		name   string
		limit  int // in seconds; 0: none
		query  string
		rests  time.Duration
		passes bool
	}{
		{name: "statement", limit: 1, query: "DO SLEEP(2.5)", passes: true},
		{name: "between statements", limit: 1, query: "DO 1", rests: 2500 * time.Millisecond},
		{name: "without a limit", query: "DO 1", rests: 6 * time.Second, passes: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dsn := mariadbtest.DSN(t)
			through := with(t, dsn, func(cfg *driver.Config) {
				if c.limit > 0 {
					cfg.Params = idleLimit(t, dsn, c.limit)
				}
			})
			d := hooked(t, dsn, through)
			rests := c.rests
			s := d.Open(t, func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
				<-time.After(rests)
				if _, err := tx.ExecContext(ctx, c.query); err != nil {
					return err
				}
				return d.Adds()(ctx, tx, fresh)
			})
			defer func() { _ = s.Close() }()
			if !c.passes {
				_, err := s.Write(t.Context(), round(0))
				transient(t, err)
				t.Log(err)
				rests = 0
			}
			write(t, s, round(0)...)
			if n := count(t, d.DB, "SELECT SUM(n) FROM totals"); n != messages(round(0)) {
				t.Errorf("Apply counts %d messages", n)
			}
		})
	}
}

func messages(batches []engine.Batch) (n int) {
	for _, b := range batches {
		n += len(b.Messages)
	}
	return n
}
