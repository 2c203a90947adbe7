package engine

import "time"

// MaxIDLen is the most bytes that a Message's ID may have.
const MaxIDLen = 255

// MaxClientLen is the most bytes that a Message's Client may have.
const MaxClientLen = 64

// FirstOwnSeq is the least number that the engine gives by itself. The numbers
// of clients are below it, so that the two never meet.
const FirstOwnSeq int64 = 1 << 62

// Kind says what the engine does with a Message.
//
// Report is stored. The other kinds are control: they carry no bytes against
// [Options.MaxPending], never wait for room, are not bounded by
// [Options.MaxStreams], and count as no message. Each takes its place in the
// order of its stream, makes what the stream has collected ready at once, and
// is settled after all that came before it.
type Kind uint8

// The kinds of a Message.
const (
	// Report is a message to store.
	Report Kind = iota
	// Done ends the stream with EndOp. Its Code and Data are kept with the
	// stream. It is settled once the end is stored, with [Result.Rows].
	Done
	// Disconnect ends the stream with EndDisconnect: its sender is gone.
	Disconnect
	// Flush is settled after all that came before it in its stream.
	Flush
	// Resume asks for the last stored number of Client, [Result.LastSeq].
	Resume
)

// String gives the kind's name in lower case.
func (k Kind) String() string {
	switch k {
	case Report:
		return "report"
	case Done:
		return "done"
	case Disconnect:
		return "disconnect"
	case Flush:
		return "flush"
	case Resume:
		return "resume"
	}
	return "unknown"
}

// Message is one unit of ingest: plain data.
type Message struct {
	Kind     Kind
	Replayed bool      // it is a dead letter: refused again it says nothing of the sink, stored it does not open a stream that ended after it; not stored
	ID       string    // the stream; 1 to MaxIDLen bytes of UTF-8, compared byte by byte
	Seq      int64     // with ID and Client the key against duplicates; 0: the engine gives one
	Client   string    // whose Seq it is; up to MaxClientLen bytes of UTF-8; empty: the engine's own
	Op       string    // as the sender named it; stored
	Code     int64     // the sender's own status code; stored
	Time     time.Time // when the sender says it happened; UTC
	Received time.Time // when the transport read it; UTC
	Remote   string    // its network address
	Sender   string    // who it authenticated as
	Data     []byte    // JSON, as sent
	Tag      int64     // the producer's own mark, carried from Route to Settled; not stored
	Pos      uint64    // the spool's mark, carried from Route to Settled; not stored
	Lease    *Lease    // not nil: it is written only while that is held; not stored, and not kept by the spool, which takes the message over
}

// EndReason says why a stream ended.
//
// An end is a state, and has no key by which a sink could tell an old one from a new
// one: what was written last holds, an end or a message. So whatever is written again
// must go on to where it was, as the engine and the spool do; then the stream is left
// as it was. An end that is written again alone, after later messages were stored, ends
// the stream until its next message. No sink keeps that apart: who may store the
// messages of a stream must be the only one who does, which is what a [Lease] is for.
type EndReason string

// The reasons for which a stream ends. The empty one means that it goes on.
const (
	EndOp         EndReason = "op"         // a Done came for it
	EndDisconnect EndReason = "disconnect" // its sender is gone
)

// Batch is a run of consecutive messages of one stream, all of Kind Report.
// Where the engine has several ready batches of a stream, it joins them; End and
// Resume close the join.
type Batch struct {
	ID       string
	Messages []Message // in the order of acceptance; may be empty where the rest says something
	End      EndReason // not "": the stream ends after these
	Ended    time.Time // when that was received, where End is not ""
	Final    *Message  // the Done that ended it, with its Code and Data; nil otherwise
	Resume   string    // a client's name: its last stored number is asked for
}

// DeadLetter is a message that a sink refused for good, a Report or a Done, and
// why.
type DeadLetter struct {
	Message  Message
	Err      error     // why: what the sink returned
	Code     string    // the same in short; see ErrorCode
	Attempts int       // how often it was tried since its stream was last stored
	Refused  time.Time // when; UTC
}

// Result is what a sink can tell of a stored batch. A sink that cannot tell Rows
// or LastSeq gives -1 there. The zero Result means: nothing was stored before,
// and nothing was asked for.
type Result struct {
	Duplicates int   // messages of the batch that were stored already
	Rows       int64 // of the stream, in all; asked for where the batch has an End
	LastSeq    int64 // of the client named in Resume, below FirstOwnSeq; 0 for none
}
