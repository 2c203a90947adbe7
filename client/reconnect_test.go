package client

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	_ "modernc.org/sqlite"

	"github.com/ingestd/ingestd/internal/long"
	"github.com/ingestd/ingestd/sink/sqlite"
)

// N2: connections are cut in the middle of frames, and acks vanish, 1,000 times,
// before a real server with a real database. Nothing is lost, nothing stored
// twice, all is in order, and what is acked is stored.
func TestReconnects(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ingest.db")
	config := sqlite.DefaultConfig()
	config.Path = path
	sink, err := sqlite.Open(context.Background(), config, hclog.NewNullLogger())
	must(t, err)
	server := serve(t, sink, nil)
	rows := openRows(t, path)

	cuts := long.Scale(100, 1000)
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(1, 2))
	p := newProxy(t, server.url, func() fate {
		mu.Lock()
		defer mu.Unlock()
		if cuts--; cuts < 0 {
			return fate{up: -1, down: -1}
		}
		f := fate{up: 300 + rng.IntN(15000), down: -1}
		switch rng.IntN(5) {
		case 0:
			f.down = 150 + rng.IntN(1000)
		case 1:
			f.down, f.mute = 150+rng.IntN(1000), true
		case 2, 3:
			f.up, f.deaf = 500+rng.IntN(2000), true // what came is acked, and no more
		}
		return f
	})
	const ids = 7
	acked := map[string]int64{} // the callbacks' alone, until Close
	c := dial(t, p.url, Options{
		Name: "n2", Window: 100, FrameBytes: 300, RetryMin: time.Millisecond, RetryMax: 2 * time.Millisecond,
		PingInterval: 10 * time.Millisecond, PingTimeout: 40 * time.Millisecond, // where acks vanish, pongs do too
		ConnectTimeout: 500 * time.Millisecond,
		Offline:        true, // the first connection may be cut, too
		Acked:          func(id string, seq int64) { acked[id] = seq },
		Refused:        func(r Refusal) { t.Errorf("refused: %v", r) },
	})
	sent := map[string]int64{}
	for n := int64(1); ; n++ {
		mu.Lock()
		left := cuts
		mu.Unlock()
		if left < 0 {
			break
		}
		id := fmt.Sprint("id-", n%ids)
		sent[id]++
		must(t, c.Send(within(t), Message{ID: id, Seq: sent[id], Data: fmt.Appendf(nil, `[%q,%d]`, id, sent[id])}))
	}
	must(t, c.Close(within(t)))
	for id, last := range sent {
		got := rows(id)
		if int64(len(got)) != last || acked[id] != last {
			t.Errorf("%s: %d sent, %d stored, acked up to %d", id, last, len(got), acked[id])
		}
		for i, data := range got {
			if want := fmt.Sprintf(`[%q,%d]`, id, i+1); data != want {
				t.Fatalf("%s: row %d is %s", id, i+1, data)
			}
		}
	}
	t.Logf("%d connections, %d messages", p.count, total(sent))
}

func total(m map[string]int64) (n int64) {
	for _, x := range m {
		n += x
	}
	return n
}

// openRows gives what reads the data of an id's rows in the order of their numbers.
func openRows(t *testing.T, path string) func(id string) []string {
	db, err := sql.Open("sqlite", path)
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return func(id string) (all []string) {
		t.Helper()
		rows, err := db.QueryContext(within(t), `SELECT data FROM messages WHERE id = ? ORDER BY seq`, id)
		must(t, err)
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var data string
			must(t, rows.Scan(&data))
			all = append(all, data)
		}
		must(t, rows.Err())
		return all
	}
}
