package sink

import (
	"database/sql/driver"
	"time"
	"unsafe"

	"github.com/ingestd/ingestd/engine"
)

// The columns of the two tables, in the order in which Args binds them.
var (
	MessageColumns = []string{
		"id", "seq", "client", "op", "code", "sent_at", "received_at", "remote", "sender", "data",
	}
	StreamColumns = []string{
		"id", "status", "messages", "first_seq", "last_seq", "first_at", "last_at",
		"ended_at", "end_reason", "end_code", "end_data",
	}
)

// MessageColumns in two parts: what the messages of a run share, and what each has
// of its own, in the order in which Args binds them.
var (
	RunColumns = []string{"id", "client", "op", "remote", "sender"}
	OwnColumns = []string{"seq", "code", "sent_at", "received_at", "data"}
)

// Args collects the arguments of one statement. It is reused, and what repeats
// from row to row (the id, the client, the op, the address, the time of receipt)
// is boxed once. It shares the memory of the messages, so the driver must copy
// what it sends, and Release must follow.
type Args struct {
	values []driver.NamedValue
	text   [5]textArg
	time   [2]timeArg
	buf    []byte // the times, as text
}

type textArg struct {
	is  string
	arg any
}

type timeArg struct {
	is  time.Time
	arg any
}

// Values are the arguments so far.
func (a *Args) Values() []driver.NamedValue { return a.values }

// Reset drops the arguments, for the next statement.
func (a *Args) Reset() { a.values = a.values[:0] }

// Release drops all that refers to the messages.
func (a *Args) Release() {
	clear(a.values[:cap(a.values)])
	a.values = a.values[:0]
	a.text, a.time, a.buf = [5]textArg{}, [2]timeArg{}, a.buf[:0]
}

// Add appends one argument.
func (a *Args) Add(v any) {
	a.values = append(a.values, driver.NamedValue{Ordinal: len(a.values) + 1, Value: v})
}

// Message appends the row of m, in the order of MessageColumns.
func (a *Args) Message(m *engine.Message, now time.Time) {
	received := Received(m, now)
	a.Add(a.string(0, m.ID))
	a.Add(m.Seq)
	a.Add(a.string(1, m.Client))
	a.Add(a.string(2, m.Op))
	a.Add(m.Code)
	a.Add(a.at(0, Sent(m.Time, received)))
	a.Add(a.at(1, received))
	a.Add(a.string(3, m.Remote))
	a.Add(a.string(4, m.Sender))
	a.Add(Data(m))
}

// Run appends what m shares with the others of its run, in the order of
// RunColumns.
func (a *Args) Run(m *engine.Message) {
	a.Add(a.string(0, m.ID))
	a.Add(a.string(1, m.Client))
	a.Add(a.string(2, m.Op))
	a.Add(a.string(3, m.Remote))
	a.Add(a.string(4, m.Sender))
}

// Own appends what m has of its own, in the order of OwnColumns.
func (a *Args) Own(m *engine.Message, now time.Time) {
	received := Received(m, now)
	a.Add(m.Seq)
	a.Add(m.Code)
	a.Add(a.at(0, Sent(m.Time, received)))
	a.Add(a.at(1, received))
	a.Add(Data(m))
}

// Stream appends the row of s, in the order of StreamColumns.
func (a *Args) Stream(s *Stream) {
	a.Add(s.ID)
	if s.Status == Done {
		a.Add("done")
	} else {
		a.Add("open")
	}
	a.Add(s.Fresh)
	if s.Fresh > 0 {
		a.Add(s.FirstSeq)
		a.Add(s.LastSeq)
		a.Add(a.at(0, s.FirstAt))
		a.Add(a.at(1, s.LastAt))
	} else {
		a.Add(nil)
		a.Add(nil)
		a.Add(nil)
		a.Add(nil)
	}
	if s.Status != Done {
		a.Add(nil)
		a.Add(nil)
		a.Add(nil)
		a.Add(nil)
		return
	}
	a.Add(a.at(0, s.EndedAt))
	a.Add(string(s.Reason))
	if s.Final == nil {
		a.Add(nil)
		a.Add(nil)
		return
	}
	a.Add(s.Final.Code)
	a.Add(Data(s.Final))
}

// late appends what a dead letter adds to the row of s, in the order that
// Group.Changed says.
func (a *Args) late(s *Stream) {
	a.Add(s.Fresh)
	a.Add(s.FirstSeq)
	a.Add(s.FirstSeq)
	a.Add(s.LastSeq)
	a.Add(s.LastSeq)
	a.Add(a.at(0, s.FirstAt))
	a.Add(a.at(0, s.FirstAt))
	a.Add(a.at(1, s.LastAt))
	a.Add(a.at(1, s.LastAt))
	a.Add(s.ID)
	a.Time(s.Again)
}

// Time appends a time.
func (a *Args) Time(t time.Time) { a.Add(a.at(0, t)) }

// string boxes s, or gives the box that this column had in the row before.
func (a *Args) string(column int, s string) any {
	last := &a.text[column]
	if last.arg == nil || last.is != s {
		last.is, last.arg = s, s
	}
	return last.arg
}

// at is string for times. The text lies in buf, which only grows until Release:
// where it must move, what was made before stays where it was.
func (a *Args) at(column int, t time.Time) any {
	for k := range a.time {
		if a.time[k].arg != nil && a.time[k].is == t {
			return a.time[k].arg
		}
	}
	start := len(a.buf)
	a.buf = AppendTime(a.buf, t)
	text := a.buf[start:]
	a.time[column] = timeArg{t, unsafe.String(unsafe.SliceData(text), len(text))}
	return a.time[column].arg
}
