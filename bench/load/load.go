package load

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Load is a number of connections that are open.
type Load struct {
	config Config
	conns  []*conn
}

// Result is what became of a load.
type Result struct {
	Sent    int           `json:"sent"`
	Acked   int           `json:"acked"` // 0 where messages are not numbered
	Elapsed time.Duration `json:"elapsed"`
}

// Open makes the connections and the frames, and sends nothing yet.
func Open(c Config) (*Load, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	l := &Load{config: c, conns: make([]*conn, c.Conns)}
	err := each(min(c.Conns, 32), func(worker, workers int) error {
		for i := worker; i < c.Conns; i += workers {
			x, err := dial(c, i)
			if err != nil {
				return err
			}
			l.conns[i] = x
		}
		return nil
	})
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Run sends everything, and waits until the server has said that all of it is
// stored, as far as it says anything. It is called once.
func (l *Load) Run() (Result, error) {
	start := time.Now()
	var readers sync.WaitGroup
	if !l.config.Silent {
		for _, x := range l.conns {
			readers.Go(x.read)
		}
	}
	var failed atomic.Bool
	err := each(min(l.config.Conns, maxWorkers), func(worker, workers int) error {
		mine := make([]*conn, 0, l.config.Conns/workers+1)
		for i := worker; i < len(l.conns); i += workers {
			mine = append(mine, l.conns[i])
		}
		err := l.send(mine, start, worker, workers, &failed)
		if err != nil && !failed.Swap(true) {
			// Who waits for answers would wait for ever.
			for _, x := range l.conns {
				_ = x.Conn.Close()
			}
		}
		return err
	})
	result := Result{}
	for i, x := range l.conns {
		if !l.config.Silent {
			if e := <-x.ended; e != nil && !failed.Load() {
				err = errors.Join(err, fmt.Errorf("connection %d: %w", i, e))
			}
		}
		result.Sent += x.sent
		result.Acked += x.acked
	}
	result.Elapsed = time.Since(start)
	readers.Wait()
	if err == nil && l.config.Numbered && !l.config.Silent && result.Acked != result.Sent {
		err = fmt.Errorf("%d messages were sent and %d acked", result.Sent, result.Acked)
	}
	return result, err
}

// maxWorkers is how many goroutines send. Each has its connections take turns, as
// they would on a network.
const maxWorkers = 64

// pace is how often a sender with a rate looks at the clock.
const pace = 5 * time.Millisecond

// send sends all frames of these connections, and asks for the last answers.
func (l *Load) send(conns []*conn, start time.Time, worker, workers int, failed *atomic.Bool) error {
	left := l.config.frames()
	if l.config.Rate == 0 {
		for left > 0 {
			n := min(left, conns[0].train.frames())
			for _, x := range conns {
				if err := x.send(n); err != nil {
					return l.why(x, err)
				}
			}
			left -= n
		}
	} else if err := l.sendPaced(conns, start, worker, workers, failed); err != nil {
		return err
	}
	if l.config.Silent {
		return nil
	}
	for _, x := range conns {
		if err := x.finish(l.config.Close); err != nil {
			return l.why(x, err)
		}
	}
	return nil
}

// sendPaced sends at the rate, as evenly as the clock allows, each worker at its
// own time.
func (l *Load) sendPaced(conns []*conn, start time.Time, worker, workers int, failed *atomic.Bool) error {
	perSecond := l.config.Rate / float64(l.config.Conns) / float64(l.config.PerFrame)
	total := l.config.frames()
	next := start.Add(pace * time.Duration(worker) / time.Duration(workers))
	for sent := 0; sent < total && !failed.Load(); next = next.Add(pace) {
		time.Sleep(time.Until(next))
		due := min(total, int(time.Since(start).Seconds()*perSecond))
		for sent < due {
			n := min(due-sent, conns[0].train.frames())
			for _, x := range conns {
				if err := x.send(n); err != nil {
					return l.why(x, err)
				}
			}
			sent += n
		}
	}
	return nil
}

// why gives the error that the server sent before it cut the connection, where
// there is one.
func (l *Load) why(x *conn, err error) error {
	if l.config.Silent {
		return err
	}
	select {
	case e := <-x.ended:
		x.ended <- nil
		return errors.Join(e, err)
	case <-time.After(time.Second):
		return err
	}
}

// Close closes the connections at once.
func (l *Load) Close() {
	for _, x := range l.conns {
		if x != nil {
			_ = x.Conn.Close()
		}
	}
}

// each calls f on so many goroutines, and waits for them.
func each(workers int, f func(worker, workers int) error) error {
	errs := make([]error, workers)
	var group sync.WaitGroup
	for i := range workers {
		group.Go(func() { errs[i] = f(i, workers) })
	}
	group.Wait()
	return errors.Join(errs...)
}
