package engine

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/internal/seedbug"
)

// keepRefused makes dead letters of what was refused in d before it is settled. It
// tries for as long as it takes. Where a drain leaves no more time it returns
// false; then only what comes before the first refused message is to be settled.
func (e *Engine) keepRefused(d *delivery) bool {
	keeper := e.opts.Load().DeadLetters
	if keeper == nil || len(d.refusals) == 0 || d.upto == 0 {
		return true
	}
	letters := d.letters()
	if len(letters) == 0 || seedbug.Is("engine-settle-before-dead-letter") {
		return true
	}
	for failures := 1; ; failures++ {
		err := keeper.Keep(e.writing, letters)
		if err == nil {
			e.letters.kept(e.log)
			return true
		}
		if e.writing.Err() == nil {
			e.letters.fail(e.log, err)
			d.lane.note(err)
		}
		if !e.backoff(d, failures) {
			d.keepFrom(slices.MinFunc(d.refusals, func(a, b refusal) int { return a.index - b.index }).index)
			return false
		}
	}
}

// letters are the refused ones of the first upto messages that hold something to
// keep.
func (d *delivery) letters() []DeadLetter {
	var letters []DeadLetter
	now := time.Now().UTC()
	for i := range d.msgs[:d.upto] {
		m := &d.msgs[i]
		if m.Kind != Report && m.Kind != Done {
			continue
		}
		err := d.refused(i)
		if err == nil {
			continue
		}
		if r, ok := errors.AsType[*RejectError](err); ok {
			err = r.Err // its place in a batch means nothing any more
		}
		letters = append(letters, DeadLetter{
			Message: *m, Err: err, Code: ErrorCode(err), Attempts: d.tried, Refused: now,
		})
	}
	return letters
}

// keepFrom takes the messages from index on for neither stored nor refused.
func (d *delivery) keepFrom(index int) {
	d.upto = min(d.upto, index)
	d.refusals = d.refusals[:0]
	d.answers = slices.DeleteFunc(d.answers, func(a answer) bool { return a.index >= d.upto })
	d.duplicates = min(d.duplicates, d.upto)
}

// letters remembers what keeps refused messages from being kept. A fault is logged
// when it begins and when it is over.
type letters struct {
	mu       sync.Mutex
	failures int
	failing  error
}

func (l *letters) fail(log hclog.Logger, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = err
	if l.failures++; l.failures == 1 {
		log.Error("dead letters cannot be kept: their streams wait", "error", err)
	} else {
		log.Debug("dead letters still cannot be kept", "failures", l.failures, "error", err)
	}
}

func (l *letters) kept(log hclog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failures > 0 {
		log.Info("dead letters are kept again", "failures", l.failures)
	}
	l.failures, l.failing = 0, nil
}

func (l *letters) state() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failing
}
