package api

// The series of a History, one point a second. Rates are a second.
const (
	Received     = "received" // messages
	StoredRate   = "stored"
	DeadLettered = "dead_lettered"
	Pending      = "pending"
	Connections  = "connections" // of servers and to feeds
	LiveStreams  = "streams"
	SpoolPending = "spool"
	StoredP50    = "stored_p50" // seconds from receipt to stored
	StoredP99    = "stored_p99"
	WriteP99     = "write_p99"

	FlushCount      = "flush_count" // batches by what made them ready
	FlushBytes      = "flush_bytes"
	FlushLinger     = "flush_linger"
	FlushFlush      = "flush_flush"
	FlushDone       = "flush_done"
	FlushDisconnect = "flush_disconnect"
	FlushPressure   = "flush_pressure"
	FlushDrain      = "flush_drain"
)

// Series names them all.
func Series() []string {
	return []string{
		Received, StoredRate, DeadLettered, Pending, Connections, LiveStreams, SpoolPending,
		StoredP50, StoredP99, WriteP99,
		FlushCount, FlushBytes, FlushLinger, FlushFlush, FlushDone, FlushDisconnect, FlushPressure, FlushDrain,
	}
}

// History is what GET /api/v1/history answers: the last Points seconds, oldest
// first; null where there is nothing.
type History struct {
	End      Time                `json:"end"`      // of the last point
	Interval int                 `json:"interval"` // seconds
	Points   int                 `json:"points"`
	Series   map[string][]Number `json:"series"`
}

// Point is one value of each series.
type Point map[string]Number

// StatusEvent is the event "status" of GET /api/v1/events.
type StatusEvent struct {
	Status Status `json:"status"`
	Point  Point  `json:"point"` // of the second that ended last
}

// MessagesEvent is the event "messages" of GET /api/v1/events?tail=1.
type MessagesEvent struct {
	Messages []Message `json:"messages"` // the newest last
	Dropped  uint64    `json:"dropped"`  // others that came meanwhile
}
