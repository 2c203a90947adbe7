package stdout_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/sinktest"
	"github.com/ingestd/ingestd/sink/stdout"
)

// line is what is read back.
type line struct {
	ID         string          `json:"id"`
	Seq        int64           `json:"seq"`
	Client     string          `json:"client"`
	Op         string          `json:"op"`
	Code       int64           `json:"code"`
	SentAt     time.Time       `json:"sent_at"`
	ReceivedAt time.Time       `json:"received_at"`
	Remote     string          `json:"remote"`
	Sender     string          `json:"sender"`
	Data       json.RawMessage `json:"data"`
	Status     string          `json:"status"`
	EndReason  string          `json:"end_reason"`
}

// buffer is an output that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func open(t testing.TB, c stdout.Config) *stdout.Sink {
	t.Helper()
	s, err := stdout.Open(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func lines(text string) ([]line, error) {
	var all []line
	for k, text := range bytes.Split([]byte(text), []byte("\n")) {
		if len(text) == 0 {
			continue
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("line %d: %w: %s", k+1, err, text)
		}
		all = append(all, l)
	}
	return all, nil
}

func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		out := &buffer{}
		return sinktest.Target{
			Sink: open(t, stdout.Config{Format: "json", Output: out}),
			Rows: func(context.Context) ([]engine.Message, error) {
				all, err := lines(out.String())
				var messages []engine.Message
				for _, l := range all {
					if l.Status == "" {
						messages = append(messages, engine.Message{
							ID: l.ID, Seq: l.Seq, Client: l.Client, Op: l.Op, Code: l.Code, Time: l.SentAt,
							Received: l.ReceivedAt, Remote: l.Remote, Sender: l.Sender, Data: l.Data,
						})
					}
				}
				return messages, err
			},
		}
	})
}
