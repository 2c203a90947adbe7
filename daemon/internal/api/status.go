package api

// Status is what GET /api/v1/status answers, and the event "status" has.
type Status struct {
	Now     Time    `json:"now"`
	Started Time    `json:"started"`
	Version Version `json:"version"`
	Config  string  `json:"config"` // where the configuration came from

	Ready  bool   `json:"ready"`  // messages are taken
	Reason string `json:"reason"` // why not

	// The worst there is, or that all is well: in a word, which is one of starting,
	// draining, blocked, failing, waiting, refusing, ok; and in a sentence.
	Condition string `json:"condition"`
	Summary   string `json:"summary"`

	Parts []Part `json:"parts"`

	Messages Messages     `json:"messages"`
	Rates    Rates        `json:"rates"`
	Latency  Latency      `json:"latency"`
	Streams  StreamCounts `json:"streams"`
	Flushes  Flushes      `json:"flushes"`
	Writes   Writes       `json:"writes"`

	Transports  []Transport `json:"transports"`
	Sink        Sink        `json:"sink"`
	Spool       *Spool      `json:"spool"` // nil: there is none
	DeadLetters Letters     `json:"dead_letters"`

	LogLevel     string   `json:"log_level"`     // how much is logged now
	NeedsRestart []string `json:"needs_restart"` // settings that a reload read and a restart puts into effect
	ReadOnly     bool     `json:"read_only"`     // nothing can be changed any more: it drains
}

// Version is what the program is.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"` // why it is not ready
	Parts  []Part `json:"parts"`
}

// Part is the state of one part of the daemon.
type Part struct {
	Name   string `json:"name"`
	State  string `json:"state"` // ok draining full waiting failing blocked failed
	Detail string `json:"detail"`
}

// Messages counts messages since the start, and those that wait now.
type Messages struct {
	Received     uint64            `json:"received"` // and accepted
	Stored       uint64            `json:"stored"`
	Duplicates   uint64            `json:"duplicates"`
	DeadLettered uint64            `json:"dead_lettered"`
	Fenced       uint64            `json:"fenced"`  // of partitions that were lost: somebody else stores them
	Pending      int64             `json:"pending"` // in memory, accepted and not settled
	PendingBytes int64             `json:"pending_bytes"`
	MaxPending   int64             `json:"max_pending"`
	Rejected     map[string]uint64 `json:"rejected"` // answered with an error, by its code
}

// Rates are messages a second, over the last ten seconds.
type Rates struct {
	Received Number `json:"received"`
	Stored   Number `json:"stored"`
}

// Latency is how long things took in the last minute, in seconds.
type Latency struct {
	Stored Percentiles `json:"stored"` // from receipt to stored
	Write  Percentiles `json:"write"`  // a write of the sink
	Sync   Percentiles `json:"sync"`   // of the spool
}

// Percentiles are null where nothing happened.
type Percentiles struct {
	P50 Number `json:"p50"`
	P99 Number `json:"p99"`
}

// StreamCounts counts streams.
type StreamCounts struct {
	Live    int    `json:"live"`
	Max     int    `json:"max"`
	Made    uint64 `json:"made"`
	Retired uint64 `json:"retired"`
}

// Flushes counts batches by the reason that made them ready.
type Flushes struct {
	Count      uint64 `json:"count"`
	Bytes      uint64 `json:"bytes"`
	Linger     uint64 `json:"linger"`
	Flush      uint64 `json:"flush"`
	Done       uint64 `json:"done"`
	Disconnect uint64 `json:"disconnect"`
	Pressure   uint64 `json:"pressure"`
	Drain      uint64 `json:"drain"`
}

// Writes counts calls of the sink.
type Writes struct {
	Groups  uint64  `json:"groups"`
	Retries Retries `json:"retries"`
}

// Retries counts writes that came again, by why they did.
type Retries struct {
	Transient uint64 `json:"transient"`
	Blocked   uint64 `json:"blocked"`
	Split     uint64 `json:"split"`
}

// Transport is one transport. What its kind does not have is left out.
type Transport struct {
	Name     string            `json:"name"` // as the configuration has it
	Kind     string            `json:"kind"`
	URL      string            `json:"url"`
	Messages uint64            `json:"messages"`
	Errors   map[string]uint64 `json:"errors"` // error answers by code

	Connections *int              `json:"connections,omitempty"` // open now
	Accepted    *uint64           `json:"accepted,omitempty"`    // connections, or requests
	Refused     map[string]uint64 `json:"refused,omitempty"`     // by reason

	Feeds          *int `json:"feeds,omitempty"`
	FeedsConnected *int `json:"feeds_connected,omitempty"`

	NATS *NATS `json:"nats,omitempty"`
}

// NATS is how reading a stream of NATS is.
type NATS struct {
	Connected  bool   `json:"connected"`
	State      string `json:"state"`      // ok failing waiting
	Detail     string `json:"detail"`     // why not ok
	Partitions int    `json:"partitions"` // that the stream has
	Owned      int    `json:"owned"`      // that this daemon reads
	Readers    int    `json:"readers"`    // daemons of the group, this one too
	Behind     int64  `json:"behind"`     // carriers of these partitions that are not settled
	Oldest     Time   `json:"oldest"`     // when the oldest of those that were read was published
}

// Sink is how the sink is.
type Sink struct {
	Name     string `json:"name"`
	Target   string `json:"target"`
	State    string `json:"state"` // ok failing blocked opening draining
	Since    Time   `json:"since"` // of failing and blocked, where that is known
	Error    string `json:"error"`
	Sentence string `json:"sentence"`

	Connected *bool `json:"connected,omitempty"` // to NATS, where it writes there
}

// Spool is how the spool is.
type Spool struct {
	Messages int64  `json:"messages"` // that wait in it
	Bytes    int64  `json:"bytes"`
	Max      int64  `json:"max"`
	Segments int    `json:"segments"`
	Oldest   Time   `json:"oldest"` // when the oldest that waits was received
	Corrupt  uint64 `json:"corrupt"`
	State    string `json:"state"` // ok full failing failed draining
	Sentence string `json:"sentence"`
}

// Letters counts dead letters.
type Letters struct {
	Letters int64  `json:"letters"`
	Marked  int64  `json:"marked"` // those that wait to be sent again
	Error   string `json:"error"`  // why refused messages cannot be kept, or letters counted
}
