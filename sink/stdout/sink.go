package stdout

import (
	"context"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// Sink writes messages as lines of JSON. It is made by [Open].
type Sink struct {
	name string
	file *os.File // our own, to be closed; nil where the output is the caller's

	// out is there while nobody writes. Who takes it writes alone.
	out chan *output
}

var _ engine.Sink = (*Sink)(nil)

// Open begins to write. It writes nothing yet.
func Open(ctx context.Context, c Config, _ hclog.Logger) (*Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &Sink{name: "stdout", out: make(chan *output, 1)}
	w := c.Output
	if w == nil {
		file, err := standardOutput()
		if err != nil {
			return nil, fmt.Errorf("stdout: %w", err)
		}
		s.file, w = file, file
	} else if f, ok := w.(*os.File); ok {
		s.name = f.Name()
	}
	s.out <- &output{w: w}
	return s, nil
}

// standardOutput is a second descriptor for the standard output. When nobody
// reads it any more, a write to the first would end the program by a signal; a
// write to this one is an error, and the program can say what it lost.
func standardOutput() (*os.File, error) {
	fd, err := syscall.Dup(int(os.Stdout.Fd()))
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), os.Stdout.Name()), nil
}

// Write writes the batches as lines, all with one call of the writer below.
func (s *Sink) Write(ctx context.Context, batches []engine.Batch) ([]engine.Result, error) {
	if err := sink.CheckAll(batches); err != nil {
		return nil, err
	}
	var o *output
	select {
	case o = <-s.out:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now := time.Now()
	asked := false
	for i := range batches {
		o.lines = appendBatch(o.lines, &batches[i], now)
		asked = asked || batches[i].End != "" || batches[i].Resume != ""
	}
	if err := s.flush(ctx, o); err != nil {
		return nil, err
	}
	if !asked {
		return nil, nil
	}
	results := make([]engine.Result, len(batches))
	for i := range results {
		results[i] = engine.Result{Rows: -1, LastSeq: -1}
	}
	return results, nil
}

// flush writes the lines of o and gives it back. A pipe that nobody empties
// holds the writer for ever, and no context frees it: so the writing is left to
// a goroutine, which gives o back when it comes to an end. Until then every
// Write waits, as long as its context lets it.
func (s *Sink) flush(ctx context.Context, o *output) error {
	done := make(chan error, 1)
	go func() {
		err := o.flush()
		s.out <- o
		done <- err
	}()
	select {
	case err := <-done:
		return classify(err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closeWait is how long Close waits for a writer that is stuck.
const closeWait = time.Second

// Close waits for what is being written, and closes nothing that is not its own.
func (s *Sink) Close() error {
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case o := <-s.out:
		var err error
		if len(o.rest) > 0 {
			err = o.flush()
		}
		if s.file != nil {
			if e := s.file.Close(); err == nil {
				err = e
			}
		}
		return err
	case <-timer.C:
		return fmt.Errorf("%s: nobody reads what was written last", s.name)
	}
}

// String says where the sink writes.
func (s *Sink) String() string { return s.name }

// output is a writer, and what is on its way to it.
type output struct {
	w     io.Writer
	lines []byte // to be written
	rest  []byte // the end of a line of which a part was written
}
