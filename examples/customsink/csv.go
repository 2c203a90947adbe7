package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// csvConfig is the block sink "csv" { … } of the configuration.
type csvConfig struct {
	Path  string `hcl:"path"`           // the file, which is made when it is missing
	Comma string `hcl:"comma,optional"` // what stands between two fields
}

func defaultConfig() csvConfig { return csvConfig{Comma: ","} }

// Validate implements daemon.Config. The mistakes that it returns are shown with
// the line of the configuration that they are about.
func (c csvConfig) Validate() error {
	var errs []error
	if c.Path == "" {
		errs = append(errs, &engine.OptionError{Option: "path", Problem: "must name a file"})
	}
	if r, n := utf8.DecodeRuneInString(c.Comma); n != len(c.Comma) || n == 0 || r == '"' || r == '\r' || r == '\n' {
		errs = append(errs, &engine.OptionError{Option: "comma", Problem: fmt.Sprintf("must be one character, not %q", c.Comma)})
	}
	return errors.Join(errs...)
}

// csvSink appends a row to a file for each message. It remembers nothing of what
// it wrote before, so a message that a client sends again is in the file twice.
type csvSink struct {
	path  string
	comma rune

	mu   sync.Mutex // the engine may call Write concurrently
	file *os.File
	size int64 // how much of the file is good
}

var _ engine.Sink = (*csvSink)(nil)

func open(_ context.Context, c csvConfig, _ hclog.Logger) (*csvSink, error) {
	file, err := os.OpenFile(c.Path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	comma, _ := utf8.DecodeRuneInString(c.Comma)
	return &csvSink{path: c.Path, comma: comma, file: file, size: info.Size()}, nil
}

// Write implements engine.Sink. What an earlier Write left behind when it failed
// is cut off first, because the engine gives the same messages again.
func (s *csvSink) Write(ctx context.Context, batches []engine.Batch) ([]engine.Result, error) {
	if err := sink.CheckAll(batches); err != nil {
		return nil, err // names the one message that is not text
	}
	rows := s.encode(batches)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.file.Truncate(s.size); err != nil {
		return nil, fmt.Errorf("cut off what failed: %w", err)
	}
	if _, err := s.file.WriteAt(rows, s.size); err != nil {
		return nil, fmt.Errorf("write rows: %w", err)
	}
	if err := s.file.Sync(); err != nil { // nil means durable
		return nil, fmt.Errorf("sync rows: %w", err)
	}
	s.size += int64(len(rows))
	return nil, nil // it can tell neither the rows of a stream nor the last number
}

func (s *csvSink) encode(batches []engine.Batch) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.Comma = s.comma
	for i := range batches {
		for j := range batches[i].Messages {
			m := &batches[i].Messages[j]
			_ = w.Write([]string{
				m.ID, strconv.FormatInt(m.Seq, 10), m.Client, m.Op, strconv.FormatInt(m.Code, 10),
				text(sink.Sent(m.Time, m.Received)), text(m.Received), m.Remote, m.Sender, sink.Data(m),
			}) // a bytes.Buffer takes everything
		}
	}
	w.Flush()
	return out.Bytes()
}

func text(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Close implements engine.Sink.
func (s *csvSink) Close() error { return s.file.Close() }

// String implements daemon.Sink: it is in the line that says that the daemon is
// ready.
func (s *csvSink) String() string { return "csv " + s.path }
