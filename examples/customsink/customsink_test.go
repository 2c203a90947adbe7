package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/sinktest"
)

// asMain makes the test binary the program itself.
const asMain = "CUSTOMSINK_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
	}
	os.Exit(m.Run())
}

// The program takes its sink from the configuration beside it.
func TestProgram(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	config, err := filepath.Abs("config.hcl")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, program, "--config", config,
		"--set=transport.websocket.listen=127.0.0.1:0", "--set=admin.listen=")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), asMain+"=1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewReader(stderr)
	var at []string
	for at == nil {
		line, err := log.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		at = regexp.MustCompile(`listening=(\S+) writing="csv messages.csv"`).FindStringSubmatch(line)
	}

	conn, _, err := websocket.Dial(ctx, at[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	err = conn.Write(ctx, websocket.MessageText, []byte(`{"id":17,"data":{"a":"x;y"}} {"id":17,"data":2} {"op":"flush","id":17}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, answer, err := conn.Read(ctx); err != nil || string(answer) != `{"op":"flush","id":17}` {
		t.Fatalf("%s, %v", answer, err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(log)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v:\n%s", err, rest)
	}

	stored, err := read(filepath.Join(cmd.Dir, "messages.csv"), ';')
	if err != nil || len(stored) != 2 || string(stored[0].Data) != `{"a":"x;y"}` || string(stored[1].Data) != "2" {
		t.Errorf("stored is %v, %v", stored, err)
	}
}

func TestMistakes(t *testing.T) {
	err := csvConfig{Comma: "::"}.Validate()
	if err == nil || err.Error() != "path: must name a file\ncomma: must be one character, not \"::\"" {
		t.Error(err)
	}
}

func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		c := defaultConfig()
		c.Path = filepath.Join(t.TempDir(), "messages.csv")
		s, err := open(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		return sinktest.Target{
			Sink: s,
			Rows: func(context.Context) ([]engine.Message, error) { return read(c.Path, ',') },
		}
	})
}

// A Write that fails half-way leaves nothing behind once it succeeds.
func TestTornWrite(t *testing.T) {
	c := csvConfig{Path: filepath.Join(t.TempDir(), "messages.csv"), Comma: ","}
	s, err := open(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := os.WriteFile(c.Path, []byte(strings.Repeat("half a row", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	batch := engine.Batch{ID: "a", Messages: []engine.Message{{ID: "a", Seq: 1, Received: time.Now()}}}
	if _, err := s.Write(t.Context(), []engine.Batch{batch}); err != nil {
		t.Fatal(err)
	}
	if stored, err := read(c.Path, ','); err != nil || len(stored) != 1 || string(stored[0].Data) != "null" {
		t.Errorf("stored is %v, %v", stored, err)
	}
}

func read(path string, comma rune) ([]engine.Message, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	r.Comma = comma
	rows, err := r.ReadAll()
	var all []engine.Message
	for _, row := range rows {
		m := engine.Message{ID: row[0], Client: row[2], Op: row[3], Remote: row[7], Sender: row[8], Data: []byte(row[9])}
		var errs [4]error
		m.Seq, errs[0] = strconv.ParseInt(row[1], 10, 64)
		m.Code, errs[1] = strconv.ParseInt(row[4], 10, 64)
		m.Time, errs[2] = time.Parse(time.RFC3339Nano, row[5])
		m.Received, errs[3] = time.Parse(time.RFC3339Nano, row[6])
		err = errors.Join(append(errs[:], err)...)
		all = append(all, m)
	}
	return all, err
}
