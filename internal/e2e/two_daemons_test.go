package e2e

import (
	"fmt"
	"testing"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// Two daemons start at the same moment on an empty database and write the same ids
// at once. Nothing is lost or doubled, and the streams' rows are right.
func TestTwoDaemons(t *testing.T) {
	s := mysqlStore(t, mariadbtest.DSN(t))
	daemons := []*daemon{launch(t, t.TempDir(), s.args...), launch(t, t.TempDir(), s.args...)}
	r := run("two daemons")
	const clients, messages = 16, 400
	names := ids(50)
	senders := make([]*sender, clients)
	for _, d := range daemons {
		d.ready()
	}
	each(t, clients, func(i int) error {
		x := newSender(r, i, names)
		x.numbered = i%4 < 2
		senders[i] = x
		query := ""
		if i%4 == 0 {
			query = fmt.Sprintf("?client=%d", i)
		}
		c, err := dial(daemons[i%2].url(), query)
		if err != nil {
			return err
		}
		defer c.close()
		if err := x.send(c, messages); err != nil {
			return err
		}
		return c.flush()
	})
	stored := 0
	for _, d := range daemons {
		stored += d.stop()["stored"]
	}
	if stored != clients*messages {
		t.Errorf("the daemons count %d", stored)
	}
	sent := make(map[key]int)
	for _, x := range senders {
		x.attempted(sent)
	}
	r.judge(s.rows(), sent, sent).fine(t, clients*messages)
	if n := s.streams(); n != len(names) {
		t.Errorf("%d streams", n)
	}
}
