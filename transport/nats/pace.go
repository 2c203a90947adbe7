package nats

import "time"

// pace says how fast a Reader goes about what it does by itself. Only tests have
// another than [usualPace].
//
// A lease is over before anybody may take it: see members.
type pace struct {
	beat     time.Duration // from the end of a heartbeat to the next one
	lease    time.Duration // how long a lease is held after a heartbeat was sent
	dead     int           // my heartbeats without one of another, who is dead then
	forget   int           // the same, until the key of the dead is removed
	handOver time.Duration // what is given back may take so long to be stored
	request  time.Duration // the most that an answer of JetStream is waited for
	floor    time.Duration // between two writes of a floor
	purge    time.Duration // between two purges
	measure  time.Duration // between two looks at what is not read yet
	idle     time.Duration // how often JetStream says that a request is alive
	expires  time.Duration // how long a request for messages is good
	wait     time.Duration // until a stream that is missing, or has failed, is opened again
}

var usualPace = pace{
	beat:     time.Second,
	lease:    4 * time.Second,
	dead:     6,
	forget:   12,
	handOver: 2 * time.Second,
	request:  2 * time.Second,
	floor:    time.Second,
	purge:    10 * time.Second,
	measure:  5 * time.Second,
	idle:     time.Second,
	expires:  30 * time.Second,
	wait:     time.Second,
}
