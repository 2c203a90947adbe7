package daemon

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/coder/websocket"
	_ "modernc.org/sqlite" // looks at what was stored

	"github.com/ingestd/ingestd/deadletters"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/long"
)

// keepLetters keeps letters in dir/ingest-data, as a daemon there does.
func keepLetters(t *testing.T, dir string, letters ...engine.DeadLetter) {
	t.Helper()
	data := filepath.Join(dir, "ingest-data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := deadletters.Open(t.Context(), filepath.Join(data, lettersName), deadletters.Options{Sink: "sqlite ingest.db"})
	if err == nil {
		err = errors.Join(s.Keep(t.Context(), letters), s.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// deadLetter is one of a stream.
func deadLetter(id string, seq int64, data string) engine.DeadLetter {
	at := time.Date(2024, 5, 7, 3, 33, 20, 5000, time.UTC)
	return engine.DeadLetter{
		Message: engine.Message{
			ID: id, Seq: seq, Client: "phone-7", Op: "report", Time: at, Received: at.Add(time.Second),
			Remote: "10.0.0.1:4000", Data: []byte(data),
		},
		Err: errors.New("Data too long for column 'data' at row 1"), Code: "1406", Attempts: 1, Refused: at.Add(time.Minute),
	}
}

// goldenLetters are those of the golden outputs.
func goldenLetters() []engine.DeadLetter {
	done := deadLetter("17", 0, "null")
	done.Message.Kind, done.Message.Op = engine.Done, "done"
	odd := deadLetter("id\x1b[31m\n\u202e"+strings.Repeat("x", 40), engine.FirstOwnSeq+1, "\xff\x00 not JSON\x1b]0;title\x07")
	odd.Message.Client, odd.Message.Sender = "", "\u009b31m"
	odd.Err, odd.Code = fmt.Errorf("access denied for hunter2\x1b[2J %s", strings.Repeat("long ", 60)), ""
	conflict := deadLetter("17", 43, `{"b" : [1,2, {"c":"\u009b<&>`+"\u009b"+`"}] , "n":12345678901234567890}`)
	conflict.Err, conflict.Code = engine.ErrConflict, "conflict"
	lines := deadLetter("18", 1, "{\n\t\"a\": 1\r\n}")
	lines.Message.Code, lines.Attempts = -4, 3
	return []engine.DeadLetter{deadLetter("17", 42, `{"n": 1}`), done, odd, conflict, lines}
}

// Each file of testdata/deadletters has a command line, and after the line "----"
// what it prints, and its exit status.
func TestGoldenDeadLetters(t *testing.T) {
	files, err := filepath.Glob("testdata/deadletters/*.txt")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d golden outputs, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			file, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			line, want, _ := strings.Cut(string(text), "----\n")
			dir := t.TempDir()
			t.Chdir(dir)
			if !strings.HasPrefix(filepath.Base(file), "empty-") {
				keepLetters(t, dir, goldenLetters()...)
			}
			var stdout, stderr strings.Builder
			status := mainWith(append([]string{"dead-letters"}, strings.Fields(line)...), &stdout, &stderr)
			got := fmt.Sprintf("%s---- stderr\n%s---- exit %d\n", stdout.String(), stderr.String(), status)
			if *update {
				if err := os.WriteFile(file, []byte(line+"----\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// refusing is a daemon whose table refuses some of what it gets.
type refusing struct {
	*process
	t   *testing.T
	dir string
	db  *sql.DB
}

func startRefusing(t *testing.T) *refusing {
	t.Helper()
	r := &refusing{t: t, dir: t.TempDir()}
	r.process = start(t, r.dir, free...)
	r.await("ready")
	db, err := sql.Open("sqlite", "file:"+filepath.Join(r.dir, "ingest.db")+"?_txlock=immediate&_pragma=busy_timeout(30000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	r.db = db
	r.spoil()
	return r
}

func (r *refusing) exec(statement string) {
	r.t.Helper()
	if _, err := r.db.ExecContext(context.Background(), statement); err != nil {
		r.t.Fatal(err)
	}
}

func (r *refusing) spoil() {
	r.exec(`CREATE TRIGGER poison BEFORE INSERT ON messages WHEN new.code = 13 BEGIN SELECT RAISE(ABORT, 'no such status'); END`)
}

func (r *refusing) mend() { r.exec(`DROP TRIGGER poison`) }

// feed sends n messages, every other one bad, and waits until all are settled.
func (r *refusing) feed(n int) {
	r.t.Helper()
	c, _, err := websocket.Dial(r.t.Context(), r.url()+"?client=phone-7", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	for i := range n {
		r.send(c, fmt.Sprintf(`{"id":%d,"seq":%d,"code":%d,"data":{"n":%d}}`, i%4, i+1, i/4%2*13, i))
	}
	r.send(c, `{"op":"flush"}`)
	for {
		frame, err := r.receive(c)
		if err != nil {
			r.t.Fatal(err)
		}
		if strings.Contains(frame, `"op":"flush"`) {
			break
		}
	}
}

// rows checks that the table has n messages, those of each stream in their order,
// and every one once.
func (r *refusing) rows(n int) {
	r.t.Helper()
	var rows, wrong int
	err := r.db.QueryRowContext(context.Background(),
		`SELECT count(*), count(*) FILTER (WHERE data <> '{"n":' || (seq - 1) || '}' OR id <> (seq - 1) % 4) FROM messages`).Scan(&rows, &wrong)
	if err != nil || rows != n || wrong != 0 {
		r.t.Errorf("%d rows, %d of them wrong, %v; want %d", rows, wrong, err, n)
	}
}

// cli runs a command on dead letters and expects its exit status and what it says.
func (r *refusing) cli(status int, says string, args ...string) {
	r.t.Helper()
	got, stdout, stderr := run(r.t, r.dir, append([]string{"dead-letters"}, args...)...)
	if got != status || !strings.Contains(stdout+stderr, says) {
		r.t.Errorf("%v: exit status %d, want %d and %q:\n%s%s", args, got, status, says, stdout, stderr)
	}
}

func (r *refusing) stop() {
	r.t.Helper()
	r.signal(os.Interrupt)
	if status := r.wait(); status != 0 {
		r.t.Errorf("exit status %d", status)
	}
}

func TestReplayBesideADaemon(t *testing.T) {
	r := startRefusing(t)
	r.feed(64)
	r.rows(32)
	r.cli(0, "\n32 dead letters.", "list")
	r.cli(0, `"reason":"constraint failed: no such status (1811)"`, "list", "--json", "--limit=1")
	r.cli(1, "32 dead letters: 0 stored, 32 refused again.", "replay", "--all")
	r.mend()
	r.cli(0, "2 dead letters: 2 stored, 0 refused again.", "replay", "3", "5")
	r.cli(0, "None of 30 dead letters matches.", "list", "--id=2000")
	r.cli(0, "1 dead letter discarded.", "discard", "4")
	r.cli(0, "29 dead letters: 29 stored, 0 refused again.", "replay", "--code=1811")
	r.cli(0, "No dead letters.", "list")
	r.rows(63)
	r.stop()
}

func TestReplayWithoutADaemon(t *testing.T) {
	r := startRefusing(t)
	r.feed(64)
	r.stop()
	r.cli(1, "32 dead letters: 0 stored, 32 refused again.", "replay", "--all")
	r.exec("ALTER TABLE messages RENAME TO elsewhere")
	r.cli(3, `there is no table "messages"`, "replay", "--all")
	r.exec("ALTER TABLE elsewhere RENAME TO messages")
	r.mend()
	r.cli(0, "32 dead letters: 32 stored, 0 refused again.", "replay", "--all")
	r.cli(0, "No dead letters.", "list")
	r.rows(64)
}

// Several replays without a daemon take turns.
func TestReplaysTakeTurns(t *testing.T) {
	r := startRefusing(t)
	r.feed(48)
	r.stop()
	r.mend()
	tx, err := r.db.BeginTx(t.Context(), nil) // keeps the first from its end until all have begun
	if err != nil {
		t.Fatal(err)
	}
	var all []*process
	for n := range 3 {
		args := []string{"dead-letters", "replay", fmt.Sprint(n + 1), "--timeout=30s"}
		all = append(all, start(t, r.dir, args...))
	}
	for text := ""; !strings.Contains(text, asReplayer); {
		b, err := os.ReadFile(filepath.Join(r.dir, "ingest-data", lockName))
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if status := p.wait(); status != 0 {
			t.Errorf("exit status %d: %s", status, p.log())
		}
	}
	r.cli(0, "21 dead letters: 21 stored", "replay")
	r.rows(48)
}

// Nobody waits for ever: what is not stored in time stays marked, and is replayed
// when that is possible.
func TestReplayThatTakesLong(t *testing.T) {
	r := startRefusing(t)
	r.feed(24)
	r.mend()
	tx, err := r.db.BeginTx(t.Context(), nil) // the daemon cannot write
	if err != nil {
		t.Fatal(err)
	}
	r.cli(1, "12 dead letters: 0 stored, 0 refused again, 12 waiting.\nWhat waits is sent by the running daemon", "replay", "--all", "--timeout=50ms")
	r.cli(0, "it waits to be sent again", "show", "1")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	r.await("dead letters replayed: stored=12 refused-again=0")
	r.rows(24)
}

// The daemon is killed in the midst of a replay. The next one goes on, and every
// message is stored once, in its place.
func TestReplayOutlivesItsDaemon(t *testing.T) {
	for round := range long.Scale(3, 100) {
		r := startRefusing(t)
		r.feed(400)
		r.mend()
		tx, err := r.db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.cli(1, "200 waiting", "replay", "--all", "--timeout=1ms")
		if err := tx.Rollback(); err != nil { // now it stores what is marked
			t.Fatal(err)
		}
		for n := 0; n < 200+round%3*60; {
			if err := r.db.QueryRowContext(t.Context(), "SELECT count(*) FROM messages").Scan(&n); err != nil {
				t.Fatal(err)
			}
		}
		_ = r.cmd.Process.Kill()
		r.wait()
		r.process = start(t, r.dir, free...)
		r.await("ready")
		r.cli(0, "", "replay", "--all", "--timeout=30s")
		r.cli(0, "No dead letters.", "list")
		r.rows(400)
		r.stop()
	}
}

// Nothing but data goes to standard output.
func TestReplayToStandardOutput(t *testing.T) {
	dir := t.TempDir()
	keepLetters(t, dir, deadLetter("17", 42, `{"n": 1}`))
	status, stdout, stderr := run(t, dir, "dead-letters", "replay", "--all", "--set=sink=stdout")
	if status != 0 || !strings.HasPrefix(stdout, `{"id":"17","seq":42,"client":"phone-7",`) || strings.Count(stdout, "\n") != 1 ||
		stderr != "1 dead letter: 1 stored, 0 refused again." {
		t.Errorf("exit status %d\n%s\n%s", status, stdout, stderr)
	}
}

// FuzzPrintable: whatever a message holds, no terminal is told anything by it.
func FuzzPrintable(f *testing.F) {
	f.Add("plain", 3)
	f.Add("\x1b]0;title\x07\x9b31m\u202e\u009b\xff\u2028 \t\n", 100)
	f.Fuzz(func(t *testing.T, text string, most int) {
		most &= 0xffff
		got := printable(text, most)
		n := 0
		for _, r := range got {
			if !strings.ContainsRune(" …", r) && !unicode.IsPrint(r) {
				t.Errorf("%q: %q", text, got)
			}
			n++
		}
		if n > most+1 {
			t.Errorf("%d characters, want %d", n, most)
		}
	})
}
