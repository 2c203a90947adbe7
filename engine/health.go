package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// health remembers what keeps the sink from storing. A fault is logged when it
// begins and when it is over.
type health struct {
	ill atomic.Bool // there is a fault: spares the lock while there is none

	mu       sync.Mutex
	failures int
	failing  error
	blocked  error

	failingSince, blockedSince time.Time
}

// fail notes a transient failure.
func (h *health) fail(log hclog.Logger, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failing == nil {
		h.failingSince = time.Now()
	}
	h.failing = err
	h.ill.Store(true)
	if h.failures++; h.failures == 1 {
		log.Warn("write failed: trying again", "error", err)
	} else {
		log.Debug("write failed again", "failures", h.failures, "error", err)
	}
}

// block notes that nothing can be stored until an operator acts.
func (h *health) block(log hclog.Logger, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures++
	if h.blocked == nil {
		h.blockedSince = time.Now()
		log.Error("sink is blocked: nothing is stored until an operator acts", "error", err)
	}
	h.failing, h.failingSince, h.blocked = nil, time.Time{}, err
	h.ill.Store(true)
}

// stored notes a success.
func (h *health) stored(log hclog.Logger) {
	if !h.ill.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failures > 0 {
		log.Info("writes succeed again", "failures", h.failures)
	}
	h.failures, h.failing, h.blocked = 0, nil, nil
	h.failingSince, h.blockedSince = time.Time{}, time.Time{}
	h.ill.Store(false)
}

// tell fills in what Health says of the sink.
func (h *health) tell(to *Health) {
	h.mu.Lock()
	defer h.mu.Unlock()
	to.Failing, to.FailingSince = h.failing, h.failingSince
	to.Blocked, to.BlockedSince = h.blocked, h.blockedSince
}
