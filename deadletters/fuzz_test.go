package deadletters

import (
	"bytes"
	"errors"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ingestd/ingestd/engine"
)

// FuzzDecode: whatever somebody wrote into the file, a letter is read as it was, or
// refused.
func FuzzDecode(f *testing.F) {
	f.Add("report", "2024-05-07T03:33:20.000005Z", "2024-05-07T03:33:20Z", "0001-01-01T00:00:00Z", "17", "phone", int64(1))
	f.Add("flush", "", "2024-05-07T03:33:20+02:00", "24:00", "", "\xff", int64(-1))
	f.Fuzz(func(t *testing.T, kind, sent, received, refused, id, client string, seq int64) {
		l := Letter{Message: engine.Message{ID: id, Client: client, Seq: seq}}
		if decode(&l, kind, sent, received, refused) != nil {
			return
		}
		m := &l.Message
		if m.Kind.String() != kind || m.ID == "" || !utf8.ValidString(m.ID+m.Client) || m.Seq < 0 {
			t.Errorf("%+v", m)
		}
		for _, at := range []time.Time{m.Time, m.Received, l.Refused} {
			again, err := parseTime("time", formatTime(at))
			if err != nil || at.Year() >= 1 && at.Year() <= 9999 && !again.Equal(at) {
				t.Errorf("%v is written as %q: %v", at, formatTime(at), err)
			}
		}
	})
}

// FuzzKeep: whatever a message has is there again when it is read.
func FuzzKeep(f *testing.F) {
	f.Add("17", "phone", "report", "10.0.0.1:1", "me", []byte(`{"a":1}`), int64(1), int64(0), "too long", int64(0))
	f.Add("\x00", "", "\xff", "", "\x00", []byte("\xff\x00"), int64(1)<<62, int64(-1), "\xff\x00", int64(-1)<<63)
	s := newStore(f)
	f.Fuzz(func(t *testing.T, id, client, op, remote, sender string, data []byte, seq, code int64, reason string, at int64) {
		when := time.Unix(0, at).UTC()
		m := engine.Message{
			ID: id, Client: client, Op: op, Remote: remote, Sender: sender, Data: data, Seq: seq, Code: code, Time: when, Received: when,
		}
		if engine.Check(&m) != nil {
			return
		}
		keep(t, s, engine.DeadLetter{Message: m, Err: errors.New(reason), Code: "x", Refused: when})
		letters := all(t, s, Filter{ID: id})
		if len(letters) != 1 {
			t.Fatalf("%d letters", len(letters))
		}
		got := letters[0].Message
		if got.ID != id || got.Client != client || got.Op != op || got.Remote != remote || got.Sender != sender ||
			!bytes.Equal(got.Data, m.Data) || got.Seq != seq || got.Code != code || !got.Time.Equal(m.Time) ||
			!utf8.ValidString(letters[0].Reason) {
			t.Errorf("got  %+v\nwant %+v", got, m)
		}
		if n, err := s.Discard(bg, Filter{ID: id}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	})
}
