package deadletters

import (
	"context"
	"errors"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// verdict is what a replayer heard of a letter: it is stored, refused again, or
// undelivered.
type verdict struct {
	number int64
	err    error
}

// Spooled implements [engine.Producer]. A letter on the spool's disk is not stored
// yet.
func (r *Replayer) Spooled([]engine.Message) {}

// Settled implements [engine.Producer].
func (r *Replayer) Settled(ms []engine.Message, _ engine.Result, err error) {
	for i := range ms {
		r.hear(verdict{ms[i].Tag, err})
	}
}

// hear notes an outcome for the goroutine of Serve.
func (r *Replayer) hear(o verdict) {
	r.mu.Lock()
	r.outcomes = append(r.outcomes, o)
	r.mu.Unlock()
	select {
	case r.heard <- struct{}{}:
	default:
	}
}

// record deletes the letters that are stored and unmarks those that were refused
// again. What cannot be written now is tried again.
func (r *Replayer) record(ctx context.Context) {
	r.mu.Lock()
	outcomes := r.outcomes
	r.outcomes = nil
	r.mu.Unlock()
	if len(outcomes) == 0 {
		return
	}
	if err := r.store.settle(ctx, r.underway, outcomes); err != nil {
		r.mu.Lock()
		r.outcomes = append(outcomes, r.outcomes...)
		r.mu.Unlock()
		r.recording.tell(ctx, r.log, "outcomes of replayed dead letters cannot be recorded", err)
		return
	}
	r.recording.over()
	for _, o := range outcomes {
		u := r.underway[o.number]
		switch {
		case u == nil: // it was not ours
			continue
		case o.err == nil:
			r.stored++
		case engine.IsPermanent(o.err):
			r.refused++
		default:
			u.undelivered = true
			continue
		}
		r.end(o.number)
	}
	if len(r.underway) == 0 && r.stored+r.refused > 0 {
		r.log.Info("dead letters replayed", "stored", r.stored, "refused-again", r.refused)
		r.stored, r.refused = 0, 0
	}
}

// settle writes outcomes down, in one transaction.
func (s *Store) settle(ctx context.Context, underway map[int64]*replay, outcomes []verdict) error {
	return s.write(ctx, func(ctx context.Context, c *sink.Conn) error {
		for _, o := range outcomes {
			var err error
			switch u := underway[o.number]; {
			case u == nil:
			case o.err == nil:
				err = deleteStored(ctx, c, o.number)
			case engine.IsPermanent(o.err):
				err = s.refuseAgain(ctx, c, o, u.request)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func deleteStored(ctx context.Context, c *sink.Conn, number int64) error {
	const count = `UPDATE replays SET stored = stored + 1
		WHERE request = (SELECT replay FROM letters WHERE number = ?)`
	if _, err := c.Exec(ctx, count, arguments(number)); err != nil {
		return err
	}
	_, err := c.Exec(ctx, "DELETE FROM letters WHERE number = ?", arguments(number))
	return err
}

// refuseAgain unmarks a letter, unless the engine has kept it again meanwhile. So it
// mostly has; not where the router refused the message already.
func (s *Store) refuseAgain(ctx context.Context, c *sink.Conn, o verdict, request int64) error {
	err := o.err
	if rejected, is := errors.AsType[*engine.RejectError](err); is {
		err = rejected.Err // its place in a batch means nothing any more
	}
	_, err = c.Exec(ctx, `UPDATE letters SET replay = NULL, reason = ?, error_code = ?, refused_at = ?,
		attempts = attempts + 1 WHERE number = ? AND replay = ?`,
		arguments(s.reason(err), engine.ErrorCode(err), formatTime(time.Now()), o.number, request))
	return err
}
