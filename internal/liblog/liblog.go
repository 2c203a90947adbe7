// Package liblog puts what libraries say into the log: lines of text, which whoever
// connects can cause as many of as they like.
package liblog

import (
	"fmt"
	"log"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Of each level so many lines are logged in a span of time. The others are counted,
// and the count is told with the next line after it.
const (
	most = 10
	span = time.Minute
)

// Log takes the lines of a library. It may be used concurrently.
type Log struct {
	to hclog.Logger

	mu    sync.Mutex
	paces map[hclog.Level]*pace
}

// pace is how much was logged of a level.
type pace struct {
	began   time.Time
	logged  int
	leftOut int
}

// New gives the Log that puts lines into to.
func New(to hclog.Logger) *Log {
	return &Log{to: to, paces: map[hclog.Level]*pace{}}
}

// Say logs one line, or counts it.
func (l *Log) Say(level hclog.Level, line string) {
	if level < l.to.GetLevel() {
		return
	}
	leftOut, ok := l.take(level, time.Now())
	if !ok {
		return
	}
	if leftOut > 0 {
		l.to.Log(level, "lines of a library were left out", "count", leftOut)
	}
	l.to.Log(level, "a library says", "text", strings.TrimSpace(line))
}

// take tells whether a line is logged now, and how many were not before it.
func (l *Log) take(level hclog.Level, now time.Time) (leftOut int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.paces[level]
	if p == nil || now.Sub(p.began) >= span {
		if p != nil {
			leftOut = p.leftOut
		}
		p = &pace{began: now}
		l.paces[level] = p
	}
	if p.logged == most {
		p.leftOut++
		return 0, false
	}
	p.logged++
	return leftOut, true
}

// Print is what a database driver wants. What it says comes with an error that is
// returned as well, so it is only for who looks closely.
func (l *Log) Print(args ...any) { l.Say(hclog.Debug, fmt.Sprint(args...)) }

// server takes the lines of an HTTP server.
type server struct{ *Log }

// Server gives the ErrorLog of an HTTP server. What clients cause is logged at level
// debug, the rest, such as a handler that panicked or a socket that cannot be
// accepted, is a warning.
func Server(to hclog.Logger) *log.Logger { return log.New(server{New(to)}, "", 0) }

// byClients are the beginnings of the lines that clients cause.
var byClients = []string{"http: TLS handshake error", "http: URL query contains semicolon", "http2: server: error reading preface"}

func (s server) Write(line []byte) (int, error) {
	level := hclog.Warn
	for _, beginning := range byClients {
		if strings.HasPrefix(string(line), beginning) {
			level = hclog.Debug
		}
	}
	s.Say(level, string(line))
	return len(line), nil
}
