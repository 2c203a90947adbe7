package ladder

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// Of many ids, each sent by two connections at once, nothing is lost, doubled or
// out of order, and what is left over comes when its time is up.
func TestRepaired(t *testing.T) {
	for _, name := range []string{"channels-repaired", "channels-bulk"} {
		t.Run(name, func(t *testing.T) { testRepaired(t, name) })
	}
}

func testRepaired(t *testing.T, name string) {
	const connections, ids, each = 8, 20, 23
	r := start(t, name, times{linger: 50 * time.Millisecond})
	var senders sync.WaitGroup
	for k := range connections {
		c := dial(t, r.addr, "phone-"+strconv.Itoa(k))
		senders.Go(func() {
			for n := range each {
				for id := range ids {
					if err := write(t.Context(), c, k/2*ids+id, n); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	senders.Wait()
	const sent = connections * ids * each
	r.await(t, sent)
	if got := r.stop(t); got.Received != sent || got.Errors != 0 {
		t.Errorf("%+v", got)
	}
	if got := r.count(t, sent); got != (Counts{Stored: sent}) {
		t.Errorf("%+v", got)
	}
}

// At its end it stores what it has.
func TestRepairedStop(t *testing.T) {
	r := start(t, "channels-bulk", hour)
	c := dial(t, r.addr, "")
	for n := range 25 {
		send(t, c, n%5, n)
	}
	flushed(t, c)
	r.stop(t)
	if got := r.count(t, 25); got != (Counts{Stored: 25}) {
		t.Errorf("%+v", got)
	}
}

// What the database refuses is stored when it does so no longer, in order.
func TestRepairedRetries(t *testing.T) {
	dsn := prepared(t)
	db := mariadbtest.DB(t, dsn)
	s, err := openStore(t.Context(), dsn, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.db.Close() }()
	rename := func(from, to string) {
		if _, err := db.ExecContext(t.Context(), "RENAME TABLE "+from+" TO "+to); err != nil {
			t.Fatal(err)
		}
	}
	d := newRepaired(t.Context(), s, hour, s.bulk)
	rename("streams", "elsewhere")
	for n := range 20 {
		d.receive(t.Context(), made("17", n))
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.counts.retries.Load() < 3 {
		<-tick.C
	}
	rename("elsewhere", "streams")
	d.stop()
	r := running{dsn: dsn}
	if got := r.count(t, 20); got != (Counts{Stored: 20}) {
		t.Errorf("%+v", got)
	}
}
