package browser

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// process is a Chromium without a window, one for all tests.
type process struct {
	idle bool // it computes only while nobody else wants to

	once sync.Once
	err  error
	cmd  *exec.Cmd
	dir  string
	in   io.WriteCloser

	mu    sync.Mutex
	last  int
	calls map[int]chan reply
	tabs  map[string]*tab // by their session
	dead  error
}

var chromium = new(process)

// reply is an answer of the browser, or an event.
type reply struct {
	ID      int             `json:"id"`
	Session string          `json:"sessionId"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error"`
}

func (p *process) start(tb testing.TB) {
	tb.Helper()
	p.once.Do(func() { p.err = p.run() })
	if p.err != nil {
		tb.Fatal(p.err)
	}
}

func (p *process) run() error {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return errors.New("install a browser (Debian: chromium)")
	}
	var err error
	if p.dir, err = os.MkdirTemp("", "ingestd-browser-"); err != nil {
		return err
	}
	commands, in, err := os.Pipe()
	if err != nil {
		return err
	}
	out, replies, err := os.Pipe()
	if err != nil {
		return err
	}
	// Its sandbox does not work as root, nor in most containers.
	p.cmd = exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--hide-scrollbars", "--force-color-profile=srgb", "--lang=en",
		"--user-data-dir="+p.dir, "--remote-debugging-pipe")
	if p.idle {
		p.cmd = exec.Command("chrt", append([]string{"--idle", "0", path}, p.cmd.Args[1:]...)...)
	}
	p.cmd.Env = append(os.Environ(), "HOME="+p.dir, "TMPDIR="+p.dir)
	p.cmd.ExtraFiles = []*os.File{commands, replies} // 3 and 4
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	_, _ = commands.Close(), replies.Close()
	p.in, p.calls, p.tabs = in, make(map[int]chan reply), make(map[string]*tab)
	go p.read(out)
	return nil
}

// read ends with the browser.
func (p *process) read(out io.Reader) {
	r := bufio.NewReaderSize(out, 1<<20)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			p.mu.Lock()
			p.dead = fmt.Errorf("the browser has ended: %w", err)
			for _, c := range p.calls {
				close(c)
			}
			p.calls = nil
			p.mu.Unlock()
			return
		}
		var m reply
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		p.mu.Lock()
		if c := p.calls[m.ID]; c != nil {
			delete(p.calls, m.ID)
			c <- m
		} else if t := p.tabs[m.Session]; t != nil && m.Method != "" {
			t.event(m.Method, m.Params)
		}
		p.mu.Unlock()
	}
}

// call asks the browser for something, and waits for the answer.
func (p *process) call(session, method string, params, result any) error {
	if params == nil {
		params = struct{}{}
	}
	c := make(chan reply, 1)
	p.mu.Lock()
	if p.dead != nil {
		p.mu.Unlock()
		return p.dead
	}
	p.last++
	id := p.last
	p.calls[id] = c
	p.mu.Unlock()
	text, err := json.Marshal(struct {
		ID      int    `json:"id"`
		Session string `json:"sessionId,omitempty"`
		Method  string `json:"method"`
		Params  any    `json:"params"`
	}{id, session, method, params})
	if err != nil {
		return err
	}
	if _, err := p.in.Write(append(text, 0)); err != nil {
		return err
	}
	m, ok := <-c
	switch {
	case !ok:
		return p.dead
	case m.Error != nil:
		return fmt.Errorf("%s: %s", method, m.Error.Message)
	case result == nil:
		return nil
	}
	return json.Unmarshal(m.Result, result)
}

// end ends the browser, which ends its own children.
func (p *process) end() {
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.call("", "Browser.close", nil, nil)
		_ = p.cmd.Wait()
	}
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}
