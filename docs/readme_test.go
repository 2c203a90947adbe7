package docs_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	_ "modernc.org/sqlite"
)

// patience is how long a test waits for what should come at once.
const patience = 30 * time.Second

// run starts the daemon in the working directory, on a free port, and gives the
// address where it listens. It is stopped when the test ends, with status 0.
func run(t *testing.T, args ...string) (address string) {
	t.Helper()
	return runUntil(t, `ready: listening=\S*?ws://(\S+)/ws\b`, args...)
}

// runUntil starts the daemon, and gives what the first line of its log that matches
// has in parentheses.
func runUntil(t *testing.T, pattern string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, append([]string{"--set=transport.websocket.listen=127.0.0.1:0", "--set=admin.listen="}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewReader(stderr)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		rest, _ := io.ReadAll(log)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the daemon: %v\n%s", err, rest)
		}
	})
	for {
		line, err := log.ReadString('\n')
		if err != nil {
			t.Fatalf("the daemon is not ready: %v", err)
		}
		if m := regexp.MustCompile(pattern).FindStringSubmatch(line); m != nil {
			return m[1]
		}
	}
}

// The first minute is as the README says: its script sends, hears these acks, and
// the query finds these rows.
func TestFirstMinute(t *testing.T) {
	readme := read(t, "README.md")
	scripts, shown := fences(readme, "python"), fences(readme, "text")
	_, query, _ := strings.Cut(readme, "sqlite3 ingest.db '")
	query, _, quoted := strings.Cut(query, "'")
	if len(scripts) != 1 || len(shown) != 2 || !quoted {
		t.Fatalf("the README has %d scripts, %d outputs, and the query %q", len(scripts), len(shown), query)
	}
	if lines := strings.Count(scripts[0], "\n"); lines > 16 {
		t.Errorf("the script has %d lines", lines)
	}
	t.Chdir(t.TempDir())
	address := run(t)
	_, port, _ := strings.Cut(address, ":")
	for range 2 { // the second time, nothing is stored twice
		script := strings.Replace(scripts[0], "7001", port, 1)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		out, err := exec.CommandContext(ctx, "python3", "-c", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if got, want := lastAcks(string(out)), lastAcks(shown[0]); !slices.Equal(got, want) {
			t.Errorf("the script prints\n%s", out)
		}
		awaitRows(t, query, shown[1])
	}
	// Other content under the same numbers is refused, and the script prints why: these
	// answers have more bytes than fit in the first two of a frame.
	other := strings.Replace(scripts[0], "n * n", "-n", 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "python3", "-c", strings.Replace(other, "7001", port, 1)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	conflicts := 0
	for line := range strings.Lines(string(out)) {
		if len(line) > 126 && strings.Contains(line, `"code":"conflict"`) && json.Valid([]byte(line)) {
			conflicts++
		}
	}
	if conflicts != 100 {
		t.Errorf("of 100 conflicts, %d are printed:\n%s", conflicts, out)
	}
}

var ack = regexp.MustCompile(`^\{"op":"ack","id":"(.*)","seq":(\d+)\}$`)

// lastAcks is the last ack of each id. Acks may come in several steps, and the ids
// in any order. A line that is no ack is kept.
func lastAcks(out string) []string {
	last := map[string]string{}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if m := ack.FindStringSubmatch(line); m != nil {
			last[m[1]] = line
		} else {
			last[line] = line
		}
	}
	var all []string
	for _, line := range last {
		all = append(all, line)
	}
	slices.Sort(all)
	return all
}

// awaitRows waits until a query of ingest.db gives what sqlite3 would print so:
// streams are marked done a moment after their sender is gone.
func awaitRows(t *testing.T, query, want string) {
	t.Helper()
	db, err := sql.Open("sqlite", "ingest.db")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		got := rows(ctx, t, db, query)
		if got == want {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the query gives\n%s", got)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func rows(ctx context.Context, t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	found, err := db.QueryContext(ctx, query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = found.Close() }()
	columns, err := found.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for found.Next() {
		fields, to := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range fields {
			to[i] = &fields[i]
		}
		if err := found.Scan(to...); err != nil {
			t.Fatal(err)
		}
		for i, f := range fields {
			if i > 0 {
				out.WriteByte('|')
			}
			out.WriteString(f.String)
		}
		out.WriteByte('\n')
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Go code in documents is that of the examples, which are compiled and run.
func TestGoCode(t *testing.T) {
	var code strings.Builder
	files, err := filepath.Glob(filepath.Join(root, "examples", "*", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	found := 0
	for _, doc := range documents(t) {
		for _, block := range fences(read(t, doc), "go") {
			if found++; !strings.Contains(code.String(), block) {
				t.Errorf("%s: this is not in the examples:\n%s", doc, block)
			}
		}
	}
	if found < 2 {
		t.Errorf("%d blocks of Go", found)
	}
}

// Configuration in documents is valid.
func TestHCL(t *testing.T) {
	t.Setenv("INGEST_MYSQL_DSN", "user:password@tcp(host:3306)/database")
	t.Setenv("INGEST_TOKEN", "0123456789abcdef")
	t.Chdir(t.TempDir())
	makeCertificate(t)
	if err := os.WriteFile("tokens", []byte("phone-7 the-token-of-phone-7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, doc := range documents(t) {
		for _, block := range fences(read(t, doc), "hcl") {
			found++
			block = strings.ReplaceAll(block, "/etc/ingestd/", "")
			if err := os.WriteFile("config.hcl", []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := check(); err != nil {
				t.Errorf("%s:\n%s", doc, out)
			}
		}
	}
	if found < 2 {
		t.Errorf("%d blocks of HCL", found)
	}
}

// So are command lines: they are tried with the command check in the place of run.
func TestCommandLines(t *testing.T) {
	t.Chdir(t.TempDir())
	config := `transport "websocket" {}` + "\n" + `transport "websocket" "edge" { listen = "127.0.0.1:0" }`
	if err := os.WriteFile("config.hcl", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, doc := range documents(t) {
		for _, block := range fences(read(t, doc), "sh") {
			for line := range strings.Lines(block) {
				args, ok := strings.CutPrefix(line, "ingestd run ")
				if !ok {
					continue
				}
				found++
				if out, err := exec.Command("sh", "-c", program+" check "+args).CombinedOutput(); err != nil {
					t.Errorf("%s: %s%s", doc, line, out)
				}
			}
		}
	}
	if found < 3 {
		t.Errorf("%d command lines", found)
	}
}

// The message that documents show is one, and is acked.
func TestMessages(t *testing.T) {
	t.Chdir(t.TempDir())
	address := run(t, "--set=sink=stdout", "--set=router.batch_size=1")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	found := 0
	for _, doc := range []string{"README.md", "docs/protocol.md"} {
		for _, block := range fences(read(t, doc), "json") {
			if !strings.HasPrefix(block, `{"op":"report"`) {
				continue
			}
			found++
			conn, _, err := websocket.Dial(ctx, "ws://"+address+"/ws", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.CloseNow() }()
			if err := conn.Write(ctx, websocket.MessageText, []byte(block)); err != nil {
				t.Fatal(err)
			}
			if _, answer, err := conn.Read(ctx); err != nil || string(answer) != `{"op":"ack","id":17,"seq":42}` {
				t.Errorf("%s: %s is answered with %s, %v", doc, block, answer, err)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d messages", found)
	}
}
