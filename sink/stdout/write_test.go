package stdout_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/stdout"
)

var received = time.Date(2024, 5, 7, 3, 33, 20, 104_233_999, time.UTC)

func message(id, data string) engine.Message {
	return engine.Message{
		ID: id, Seq: 42, Client: "phone-7", Op: "report", Received: received, Remote: "10.0.0.1:5123", Data: []byte(data),
	}
}

func one(id, data string) []engine.Batch {
	return []engine.Batch{{ID: id, Messages: []engine.Message{message(id, data)}}}
}

func TestConfigValidate(t *testing.T) {
	if err := stdout.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := stdout.Config{Format: "xml"}.Validate()
	if want := `format: must be "json", not "xml"`; err == nil || err.Error() != want {
		t.Errorf("%v, not %s", err, want)
	}
	if _, err := stdout.Open(t.Context(), stdout.Config{}, nil); err == nil {
		t.Error("Open does not validate")
	}
}

// The lines, to the byte.
func TestLines(t *testing.T) {
	out := &buffer{}
	s := open(t, stdout.Config{Format: "json", Output: out})
	m := message("17", `{"conn_ip":"10.0.0.1"}`)
	m.Time, m.Code, m.Sender = time.Date(2024, 5, 7, 3, 33, 20, 0, time.FixedZone("", 3600)), -3, `O"Neill`
	final := message("17", "{\n  \"all\": [1,\r\n 2]\n}")
	group := []engine.Batch{
		{ID: "17", Messages: []engine.Message{m}, End: engine.EndOp, Final: &final, Resume: "phone-7"},
		{ID: "x\n\x01", Messages: []engine.Message{message("x\n\x01", "no JSON\n"), message("x\n\x01", "")}, End: engine.EndDisconnect},
	}
	results, err := s.Write(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 2 || results[0].Rows != -1 || results[0].LastSeq != -1 || results[1].Rows != -1 {
		t.Errorf("results are %+v", results)
	}
	const common = `"client":"phone-7","op":"report","code":0,"sent_at":"2024-05-07T03:33:20.104233Z",` +
		`"received_at":"2024-05-07T03:33:20.104233Z","remote":"10.0.0.1:5123","sender":"",`
	got := strings.Split(out.String(), "\n")
	want := []string{
		`{"id":"17","seq":42,"client":"phone-7","op":"report","code":-3,"sent_at":"2024-05-07T02:33:20.000000Z",` +
			`"received_at":"2024-05-07T03:33:20.104233Z","remote":"10.0.0.1:5123","sender":"O\"Neill","data":{"conn_ip":"10.0.0.1"}}`,
		`{"id":"17","status":"done","end_reason":"op","ended_at":"2024-05-07T03:33:20.104233Z","end_code":0,"end_data":{"all":[1,2]}}`,
		`{"id":"x\n\u0001","seq":42,` + common + `"data":"no JSON\n"}`,
		`{"id":"x\n\u0001","seq":42,` + common + `"data":null}`,
		`{"id":"x\n\u0001","status":"done","end_reason":"disconnect","ended_at":"`,
		``,
	}
	if len(got) != len(want) {
		t.Fatalf("%d lines, not %d:\n%s", len(got), len(want), out)
	}
	for k := range want {
		if !strings.HasPrefix(got[k], want[k]) || k != 4 && got[k] != want[k] {
			t.Errorf("line %d is\n%s, not\n%s", k+1, got[k], want[k])
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// torn takes only so many bytes, then fails once.
type torn struct {
	buffer
	room int
	err  error
}

func (w *torn) Write(p []byte) (int, error) {
	if w.err == nil || len(p) <= w.room {
		return w.buffer.Write(p)
	}
	n, _ := w.buffer.Write(p[:w.room])
	err := w.err
	w.err = nil
	return n, err
}

// Wherever a write breaks off, the lines that follow are whole, and everything is
// there once it has been tried again.
func TestTornLine(t *testing.T) {
	group := append(one("a", `"first"`), one("b", `"second"`)...)
	for room := range 400 {
		w := &torn{room: room, err: syscall.ENOSPC}
		s := open(t, stdout.Config{Format: "json", Output: w})
		_, err := s.Write(t.Context(), group)
		if err == nil { // it has room for all
			if room < 300 {
				t.Fatalf("room for %d bytes is enough", room)
			}
			return
		}
		if !errors.Is(err, syscall.ENOSPC) || engine.IsBlocked(err) || engine.IsPermanent(err) {
			t.Fatalf("is not transient: %v", err)
		}
		if _, err := s.Write(t.Context(), group); err != nil {
			t.Fatal(err)
		}
		all, err := lines(w.String())
		if err != nil {
			t.Fatalf("broken off after %d bytes: %v", room, err)
		}
		if n := len(all); n < 2 || all[n-2].ID != "a" || all[n-1].ID != "b" {
			t.Fatalf("broken off after %d bytes: %+v", room, all)
		}
	}
	t.Error("there was never room for all")
}

// A torn line that is not tried again is finished by Close.
func TestTornLineAtTheEnd(t *testing.T) {
	w := &torn{room: 20, err: syscall.EINTR}
	s := open(t, stdout.Config{Format: "json", Output: w})
	if _, err := s.Write(t.Context(), one("a", `"first"`)); err == nil {
		t.Fatal("no error")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if all, err := lines(w.String()); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

// When nobody reads the pipe any more, an operator must act; the program goes on.
func TestBrokenPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, stdout.Config{Format: "json", Output: w})
	_ = r.Close()
	if _, err := s.Write(t.Context(), one("a", `1`)); !engine.IsBlocked(err) {
		t.Errorf("is not blocked: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_ = w.Close()
}

// A reader that does not read holds a Write no longer than its context, and gets
// whole lines when it reads on.
func TestStuckReader(t *testing.T) {
	r, w := io.Pipe()
	s := open(t, stdout.Config{Format: "json", Output: w})
	for range 2 { // the second waits for the first
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		_, err := s.Write(ctx, one("a", `1`))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("is not the end of the context: %v", err)
		}
	}
	read := make(chan string)
	go func() {
		b, _ := io.ReadAll(r)
		read <- string(b)
	}()
	if _, err := s.Write(t.Context(), one("a", `1`)); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_ = w.Close()
	if all, err := lines(<-read); err != nil || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
}

// Close gives up a writer that is stuck for good.
func TestCloseStuck(t *testing.T) {
	r, w := io.Pipe()
	s := open(t, stdout.Config{Format: "json", Output: w})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Write(ctx, one("a", `1`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("is not the end of the context: %v", err)
	}
	if err := s.Close(); err == nil {
		t.Error("Close says that all was written")
	}
	_ = r.Close()
}

// The standard output is written through a descriptor of our own.
func TestStandardOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdout
	os.Stdout = w
	s := open(t, stdout.DefaultConfig())
	os.Stdout = old
	_ = w.Close()
	if s.String() != "stdout" {
		t.Errorf("String is %q", s)
	}
	if _, err := s.Write(t.Context(), one("a", `1`)); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	b, err := io.ReadAll(r)
	if all, e := lines(string(b)); err != nil || e != nil || len(all) != 1 {
		t.Errorf("%q, %v, %v", b, err, e)
	}
}
