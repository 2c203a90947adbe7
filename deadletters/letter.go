package deadletters

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// Letter is a dead letter: a message that a sink refused for good, and why.
type Letter struct {
	Number   int64          // ascends in the order in which letters are kept; never used again
	Message  engine.Message // as it was accepted, with the number that it had then
	Reason   string         // what the sink said last
	Code     string         // the same in short: "conflict", the number of a database's error, or empty
	Sink     string         // which one that was
	Refused  time.Time      // when that was; UTC
	Attempts int64          // how often the message was tried in all
	Replay   int64          // the request by which it is to be sent again; 0: none
}

// mostReason bounds what is kept of a reason. Some databases repeat the whole
// statement in theirs.
const mostReason = 4096

// reason is the text of err as it is kept.
func (s *Store) reason(err error) string {
	text := "unknown"
	if err != nil {
		text = err.Error()
	}
	if s.redact != nil {
		text = s.redact(text)
	}
	if len(text) > mostReason {
		text = text[:mostReason] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// digest tells messages apart: whatever makes one another message goes into it.
func digest(m *engine.Message) []byte {
	h := sha256.New()
	number(h, int64(m.Kind))
	number(h, m.Seq)
	number(h, m.Code)
	for _, part := range []string{m.ID, m.Client, m.Op} {
		number(h, int64(len(part))) // so that no two parts can be taken for two others
		h.Write([]byte(part))
	}
	h.Write(m.Data)
	return h.Sum(nil)
}

func number(h hash.Hash, n int64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	h.Write(b[:])
}

// parseKind is the inverse of [engine.Kind.String], for the kinds of letters.
func parseKind(text string) (engine.Kind, error) {
	for _, k := range []engine.Kind{engine.Report, engine.Done} {
		if k.String() == text {
			return k, nil
		}
	}
	return 0, fmt.Errorf("kind %q is none", text)
}

// formatTime writes t in UTC with all its digits. Years are 1 to 9999: sinks keep
// no others.
func formatTime(t time.Time) string {
	t = t.UTC()
	switch {
	case t.Year() < 1:
		t = time.Time{}
	case t.Year() > 9999:
		t = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	}
	return t.Format(time.RFC3339Nano)
}

func parseTime(column, text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", column, err)
	}
	return t.UTC(), nil
}
