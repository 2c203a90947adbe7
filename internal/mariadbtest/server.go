package mariadbtest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Server is a private server. Its root needs no password. Its methods may be
// called from any goroutine.
type Server struct {
	dir  string
	port int
	more []string // arguments

	mu  sync.Mutex
	run *process // nil while it is down
}

// process is one run of the server.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once it has ended
}

// Start makes the files of a server, and starts it, with more arguments than it has
// anyway. It is for what is no test; Remove must follow.
func Start(more ...string) (*Server, error) {
	dir, err := os.MkdirTemp("", "mariadbtest-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, more: more}
	if err := s.install(); err != nil {
		s.Remove()
		return nil, err
	}
	if s.port, err = freePort(); err == nil {
		err = s.start()
	}
	if err != nil {
		s.Remove()
		return nil, err
	}
	return s, nil
}

// install makes the system tables. There are no anonymous users among them, who
// would be preferred to named ones from other hosts, and root needs no password.
func (s *Server) install() error {
	program, err := find("mariadb-install-db")
	if err != nil {
		return err
	}
	args := []string{
		"--no-defaults", "--datadir=" + s.data(), "--auth-root-authentication-method=normal",
		"--skip-test-db", "--skip-name-resolve", "--tmpdir=" + s.dir,
	}
	out, err := exec.Command(program, append(args, asUser()...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	return nil
}

// start starts the server and waits until it answers.
func (s *Server) start() error {
	program, err := find("mariadbd")
	if err != nil {
		return err
	}
	args := append([]string{
		"--no-defaults", // first, or it is not taken
		"--datadir=" + s.data(),
		"--port=" + strconv.Itoa(s.port),
		"--bind-address=127.0.0.1",
		"--skip-name-resolve",
		"--tmpdir=" + s.dir, // a server that starts deletes the temporary tables of others
		"--socket=" + filepath.Join(s.dir, "socket"),
		"--pid-file=" + filepath.Join(s.dir, "pid"),
		"--log-error=" + s.log(),
		"--innodb-buffer-pool-size=64M",
		"--innodb-flush-log-at-trx-commit=1",
		"--performance-schema=OFF",
	}, append(asUser(), s.more...)...)
	started := make(chan error)
	p := &process{cmd: exec.Command(program, args...), done: make(chan struct{})}
	// The server dies with the thread that started it: so that thread waits for
	// the server, and dies with this process.
	p.cmd.SysProcAttr = diesWithUs()
	go func() {
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("mariadbd: %w", err)
	}
	s.run = p
	return s.await()
}

// await waits until the server answers.
func (s *Server) await() error {
	db, err := sql.Open("mysql", s.config().FormatDSN())
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.run.done:
			log, _ := os.ReadFile(s.log())
			s.run = nil
			return fmt.Errorf("mariadbd ended as it started:\n%s", lastLines(log))
		case <-ctx.Done():
			return fmt.Errorf("mariadbd does not answer: %w", err)
		}
	}
}

// DSN leads to an empty database, which is dropped when the test ends.
func (s *Server) DSN(tb testing.TB) string {
	tb.Helper()
	return database(tb, s.config())
}

// Admin leads to the server as root, and to no database.
func (s *Server) Admin() string { return s.config().FormatDSN() }

// Addr is where the server listens.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

func (s *Server) config() *mysql.Config {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.User = "tcp", s.Addr(), "root"
	cfg.Logger = &mysql.NopLogger{}
	return cfg
}

// Pid is the number of its process, or 0 while it is down.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return 0
	}
	return s.run.cmd.Process.Pid
}

// Kill ends the server as kill -9 does, and waits until it is gone.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
}

func (s *Server) kill() {
	if s.run == nil {
		return
	}
	_ = s.run.cmd.Process.Kill()
	<-s.run.done
	s.run = nil
}

// Restart starts the server again, after Kill or instead of it.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
	if err := s.start(); err != nil {
		tb.Fatal(err)
	}
}

// Stop halts the server where it stands: it keeps its connections, and says
// nothing.
func (s *Server) Stop() { s.signal(syscall.SIGSTOP) }

// Cont lets it go on.
func (s *Server) Cont() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil {
		_ = s.run.cmd.Process.Signal(signal)
	}
}

// Remove ends the server at once, and deletes its files.
func (s *Server) Remove() {
	s.Kill()
	_ = os.RemoveAll(s.dir)
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }
func (s *Server) log() string  { return filepath.Join(s.dir, "log") }

// asUser is needed by root, whom the server refuses to run as unless it is told
// to. A change of user would make it outlive the test.
func asUser() []string {
	if os.Geteuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

// find looks for a program of the server, which may be where only root looks.
func find(program string) (string, error) {
	for _, name := range []string{program, "/usr/sbin/" + program, "/usr/local/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errMissing(program)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func lastLines(log []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-20):], []byte("\n"))
}
