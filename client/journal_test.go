package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// offline is a client with a file and no server.
func offline(t *testing.T, o Options) *Client {
	t.Helper()
	o.Offline, o.RetryMin, o.RetryMax = true, time.Hour, time.Hour
	c, err := Dial(context.Background(), "ws://127.0.0.1:1/ws", o)
	must(t, err)
	return c
}

// crash ends the client as the end of its process would: what it did not write is
// not written.
func crash(c *Client) {
	c.stop()
	<-c.stopped
	_ = c.journal.close()
}

// kept is what a client that is opened with the file would send, and its name.
func kept(t *testing.T, path string) (name string, all []string) {
	t.Helper()
	c := offline(t, Options{File: path})
	for _, s := range c.streams {
		for _, e := range s.queue {
			all = append(all, fmt.Sprintf("%s/%d", s.id, e.seq))
			if !bytes.Contains(e.body, fmt.Appendf(nil, `"seq":%d}`, e.seq)) {
				t.Errorf("%s/%d is kept as %s", s.id, e.seq, e.body)
			}
		}
	}
	slices.Sort(all)
	crash(c)
	return c.Name(), all
}

func wantKept(t *testing.T, path string, want ...string) {
	t.Helper()
	if _, got := kept(t, path); !slices.Equal(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
}

// A producer that ends without a word goes on where it was: with its name, what was
// not acked, and higher numbers.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "er", "file")
	o := make(told, 100)
	opts := o.options()
	opts.Name, opts.File = "", path
	p, x, c := connected(t, opts)
	send(t, c, "a", 1, 2, 3, 4, 5)
	must(t, c.Send(within(t), Message{ID: "b", Data: []byte(`{ "x": 1 }`)}))
	b := int64(0)
	for _, m := range x.read(6) { // one id need not wait for another
		if m.ID == "b" {
			b = m.Seq
		}
	}
	x.write(`{"op":"error","code":"rejected","error":"no","id":"a","seq":4}`, `{"op":"ack","id":"a","seq":2}`)
	o.expect(t, "refused a/4 rejected", "acked a/2")
	c.mu.Lock()
	must(t, c.journal.commit(c.journal.batch)) // acks are not written at once
	c.mu.Unlock()
	crash(c)
	x.cut()

	again, err := Dial(within(t), p.url, Options{Offline: true, File: path})
	must(t, err)
	x = p.accept()
	if x.name != c.Name() {
		t.Errorf("it comes again as %q, and was %q", x.name, c.Name())
	}
	must(t, again.Send(within(t), Message{ID: "b"}))
	got := map[string][]int64{}
	for _, m := range x.read(4) {
		got[m.ID] = append(got[m.ID], m.Seq)
		if m.Seq == b && string(m.Data) != `{ "x": 1 }` {
			t.Errorf("sent again as %s", m.Data)
		}
	}
	if !slices.Equal(got["a"], []int64{3, 5}) || len(got["b"]) != 2 || got["b"][0] != b || got["b"][1] <= b {
		t.Errorf("sent again: %v; b was %d", got, b)
	}
	x.write(`{"op":"ack","id":"a","seq":5}`, fmt.Sprintf(`{"op":"ack","id":"b","seq":%d}`, got["b"][1]))
	must(t, again.Close(within(t)))
	wantKept(t, path)
}

// Close without a server says what is left, and the file keeps it.
func TestCloseKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	c := offline(t, Options{File: path})
	send(t, c, "a", 1, 2)
	send(t, c, "b", 9)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	var left *UnackedError
	if err := c.Close(over); !errors.As(err, &left) || left.Count != 3 || !left.Kept || !errors.Is(err, context.Canceled) ||
		!slices.Equal(left.Streams, []Unacked{{"a", 1, 2, 2}, {"b", 9, 9, 1}}) {
		t.Errorf("Close: %v", err)
	}
	if err := c.Send(context.Background(), Message{ID: "a"}); !errors.Is(err, ErrClosed) {
		t.Errorf("Send: %v", err)
	}
	must(t, c.Close(context.Background()))
	wantKept(t, path, "a/1", "a/2", "b/9")
}

func TestFileIsOneClients(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	c := offline(t, Options{File: path, Name: "one"})
	if _, err := Dial(context.Background(), "ws://127.0.0.1:1/ws", Options{File: path, Offline: true}); err == nil ||
		!strings.Contains(err.Error(), "in use by another process: ") {
		t.Errorf("a second client: %v", err)
	}
	crash(c)
	if _, err := Dial(context.Background(), "ws://127.0.0.1:1/ws", Options{File: path, Name: "two", Offline: true}); err == nil ||
		!strings.Contains(err.Error(), `belongs to the client "one"`) {
		t.Errorf("another client: %v", err)
	}
	if name, _ := kept(t, path); name != "one" {
		t.Errorf("the name is %q", name)
	}
}

// written gives the bytes of a file with a number of messages, and where each
// record ends.
func written(t *testing.T, n int) (b []byte, ends []int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	c := offline(t, Options{File: path, Name: "x"})
	for i := range n {
		send(t, c, "a", int64(i+1))
	}
	crash(c)
	b, err := os.ReadFile(path)
	must(t, err)
	for rest := b; len(rest) > 0; {
		_, next, ok := parseRecord(rest)
		if !ok {
			t.Fatal("its own file is not good")
		}
		rest = next
		ends = append(ends, len(b)-len(rest))
	}
	return b, ends
}

// open gives what is kept in these bytes.
func open(t *testing.T, dir string, b []byte) []string {
	t.Helper()
	path := filepath.Join(dir, "file")
	must(t, os.WriteFile(path, b, 0o600))
	_, all := kept(t, path)
	return all
}

// A crash tears the file off anywhere: the records before that are good, and it
// takes new ones.
func TestTornFile(t *testing.T) {
	b, ends := written(t, 3)
	dir := t.TempDir()
	for cut := range b {
		whole := 0
		for _, end := range ends[1:] {
			if end <= cut {
				whole++
			}
		}
		if got := open(t, dir, b[:cut]); len(got) != whole {
			t.Fatalf("cut at %d of %v: kept %q", cut, ends, got)
		}
		c := offline(t, Options{File: filepath.Join(dir, "file")})
		send(t, c, "new", 1)
		crash(c)
		if _, got := kept(t, filepath.Join(dir, "file")); len(got) != whole+1 {
			t.Fatalf("cut at %d, and written on: kept %q", cut, got)
		}
	}
	if got := open(t, dir, append(slices.Clone(b), "garbage"...)); len(got) != 3 {
		t.Errorf("with garbage at its end: kept %q", got)
	}
}

// A bit that flips costs the record that it is in.
func TestDamagedFile(t *testing.T) {
	b, ends := written(t, 3)
	dir := t.TempDir()
	for at := ends[0]; at < len(b); at++ {
		bad := slices.Clone(b)
		bad[at] ^= 0x10
		var want []string
		for i := range 3 {
			if at < ends[i] || at >= ends[i+1] {
				want = append(want, fmt.Sprintf("a/%d", i+1))
			}
		}
		if got := open(t, dir, bad); !slices.Equal(got, want) {
			t.Fatalf("flipped at %d of %v: kept %q", at, ends, got)
		}
	}
}

// The file is written anew once most of it is settled, and nothing is lost by that,
// also of what is sent meanwhile.
func TestFileIsCompacted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	server := serve(t, newStore(), nil)
	c := dial(t, server.url, Options{File: path, Window: 100})
	data := []byte(`"` + strings.Repeat("x", 4000) + `"`)
	for range 2000 { // 8 MB
		must(t, c.Send(within(t), Message{ID: "a", Data: data}))
	}
	must(t, c.Close(within(t)))
	info, err := os.Stat(path)
	must(t, err)
	if info.Size() > 3*compactFrom {
		t.Errorf("the file has %d bytes", info.Size())
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	wantKept(t, path)
}

func TestSync(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	server := serve(t, newStore(), nil)
	c := dial(t, server.url, Options{File: path, Sync: true})
	sent := make(chan error, 8)
	for i := range cap(sent) {
		go func() {
			for range 20 {
				if err := c.Send(context.Background(), Message{ID: fmt.Sprint(i)}); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
	}
	for range cap(sent) {
		must(t, <-sent)
	}
	must(t, c.Close(within(t)))
	wantKept(t, path)
}

// A message that the file does not take is not sent; the next one may be taken.
func TestFileFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	o := make(told, 100)
	opts := o.options()
	opts.File = path
	_, x, c := connected(t, opts)
	send(t, c, "a", 1)
	good := c.journal.file
	bad, err := os.Open(path) // for reading only
	must(t, err)
	c.mu.Lock()
	c.journal.file = bad
	c.mu.Unlock()
	if err := c.Send(within(t), Message{ID: "a", Seq: 2}); err == nil {
		t.Error("it was taken")
	}
	_ = bad.Close()
	c.mu.Lock()
	c.journal.file, c.journal.err = good, nil
	c.mu.Unlock()
	send(t, c, "a", 3)
	x.expect("a/1", "a/3")
	x.write(`{"op":"ack","id":"a","seq":1}`)
	o.expect(t, "acked a/1")
	crash(c)
	if _, got := kept(t, path); !slices.Contains(got, "a/3") || slices.Contains(got, "a/2") {
		t.Errorf("kept %q", got)
	}
}
