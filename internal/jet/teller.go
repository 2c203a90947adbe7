package jet

import (
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"

	"github.com/ingestd/ingestd/internal/seldom"
)

// teller writes the log of a connection.
type teller struct {
	log hclog.Logger
	odd seldom.Count[error]

	mu    sync.Mutex
	since time.Time
	last  string // why it could not be made, as the log was told
	tries int
}

func (t *teller) lost(nc *nats.Conn, err error) {
	if nc.IsClosed() {
		return
	}
	t.mu.Lock()
	t.since, t.last, t.tries = time.Now(), "", 0
	t.mu.Unlock()
	if err == nil {
		err = errors.New("the server has closed it")
	}
	t.log.Warn("connection lost", "error", err)
}

func (t *teller) failed(_ *nats.Conn, err error) {
	t.mu.Lock()
	t.tries++
	news := err.Error() != t.last
	t.last = err.Error()
	t.mu.Unlock()
	if news {
		t.log.Warn("cannot connect", "error", err)
	}
}

func (t *teller) back(nc *nats.Conn) {
	t.mu.Lock()
	tries, after := t.tries, time.Since(t.since)
	t.mu.Unlock()
	t.log.Info("connected again", "server", nc.ConnectedAddr(), "failed-tries", tries, "after", after.Round(time.Millisecond))
}

// between is the least time between two lines about errors that may be many.
const between = 10 * time.Second

func (t *teller) error(_ *nats.Conn, _ *nats.Subscription, err error) {
	t.odd.Add(err)
	if n, newest := t.odd.Due(time.Now(), between); n > 0 {
		t.log.Warn("the connection reports an error", "error", newest, "times", n)
	}
}
