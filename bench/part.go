package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/ingestd/ingestd/bench/lab"
)

// A part is a process of its own that plays one part in a case: this program,
// started again. It writes a line of JSON when it is ready, does its work after a
// line on its standard input, where it has such work, and writes a line about it;
// the end of its input ends it.
type part struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Reader
	log   *tail
}

// startPart starts a part with its configuration, and reads its first line into
// ready.
func startPart(ctx context.Context, name string, config, ready any) (*part, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	p := &part{name: name, cmd: exec.CommandContext(ctx, self, name, string(text)), log: &tail{}}
	p.cmd.SysProcAttr = lab.DieWithUs()
	p.cmd.Stderr = p.log
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.lines = bufio.NewReader(stdout)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := p.read(ready); err != nil {
		p.kill()
		return nil, p.why(err)
	}
	return p, nil
}

func (p *part) pid() int { return p.cmd.Process.Pid }

// work lets it do its work, and reads what it says of it into v.
func (p *part) work(v any) error {
	if _, err := io.WriteString(p.stdin, "go\n"); err != nil {
		return p.why(err)
	}
	return p.why(p.read(v))
}

// end ends it, and reads its last line into v, where v is not nil.
func (p *part) end(v any) error {
	err := p.stdin.Close()
	if v != nil {
		err = errors.Join(err, p.read(v))
	}
	if err != nil {
		p.kill()
		return p.why(err)
	}
	return p.why(p.cmd.Wait())
}

func (p *part) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *part) read(v any) error {
	line, err := p.lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, v)
}

// why adds what the part has said to err.
func (p *part) why(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w\n%s", p.name, err, p.log)
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	const keep = 8 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	t.b = t.b[max(0, len(t.b)-keep):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}

// first is the first line that is kept.
func (t *tail) first() string {
	line, _, _ := strings.Cut(t.String(), "\n")
	return line
}

// The other side: what runs in the process of a part.

// parts are those that there are. Each takes its configuration, and its standard
// input and output, and returns when it has ended.
var parts = map[string]func(config []byte, in *bufio.Reader, out io.Writer) error{
	"part-load":   playLoad,
	"part-read":   playReader,
	"part-bulk":   playBulk,
	"part-ladder": playLadder,
	"part-nats":   playNATS,
}

// playPart plays the part that the arguments name. It returns false where they
// name none.
func playPart(args []string) (status int, played bool) {
	if len(args) > 0 && args[0] == serveName {
		return playDaemon(args[1:]), true
	}
	if len(args) == 0 || !strings.HasPrefix(args[0], "part-") {
		return 0, false
	}
	play := parts[args[0]]
	if play == nil || len(args) != 2 {
		fmt.Fprintf(os.Stderr, "there is no part like %q\n", args)
		return 2, true
	}
	if err := play([]byte(args[1]), bufio.NewReader(os.Stdin), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

// say writes one line of JSON.
func say(out io.Writer, v any) error { return json.NewEncoder(out).Encode(v) }

// await waits for the line that lets a part work.
func await(in *bufio.Reader) error {
	_, err := in.ReadString('\n')
	return err
}

// untilEnd waits for the end of the input.
func untilEnd(in *bufio.Reader) {
	_, _ = io.Copy(io.Discard, in)
}

// nothing is said by who has nothing to say.
type nothing struct{}
