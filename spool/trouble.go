package spool

import (
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// trouble remembers a failure that is tried again. It is logged when it begins and
// when it is over, and once a minute between.
type trouble struct {
	mu       sync.Mutex
	err      error
	failures int
	since    time.Time // of the first one
	logged   time.Time
}

func (t *trouble) note(log hclog.Logger, msg string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
	t.failures++
	now := time.Now()
	if t.failures == 1 {
		t.since = now
	}
	if t.failures == 1 || now.Sub(t.logged) >= time.Minute {
		log.Warn(msg, "error", err, "failures", t.failures)
		t.logged = now
	}
}

func (t *trouble) over(log hclog.Logger, msg string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failures > 0 {
		log.Info(msg, "failures", t.failures)
	}
	t.err, t.failures, t.since = nil, 0, time.Time{}
}

// began is when it did; zero: there is none.
func (t *trouble) began() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.since
}

func (t *trouble) current() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}
