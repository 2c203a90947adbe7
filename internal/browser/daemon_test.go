package browser

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/ingestd/ingestd/client"
	"github.com/ingestd/ingestd/internal/child"
	"github.com/ingestd/ingestd/internal/child/childtest"
)

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// start runs a daemon with an admin server, in a directory of its own.
func start(t *testing.T, args ...string) (d *child.Daemon, dir string) {
	t.Helper()
	dir = t.TempDir()
	return childtest.Run(t, dir, "127.0.0.1:0", append([]string{"--set=admin.listen=127.0.0.1:0"}, args...)...), dir
}

func dial(t *testing.T, url, name string) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), url, client.Options{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what is not stored by now is not waited for
		_ = c.Close(ctx)
	})
	return c
}

// message has data that can be encoded.
func message(id string, code int64, data any) client.Message {
	text, _ := json.Marshal(data)
	return client.Message{ID: id, Code: code, Data: text}
}

// send sends messages, and waits until each is stored or refused.
func send(t *testing.T, url, name string, messages ...client.Message) {
	t.Helper()
	c := dial(t, url, name)
	for _, m := range messages {
		if err := c.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// flow sends some messages to each of n streams, again and again, until it is
// stopped, which the end of the test does at the latest.
func flow(t *testing.T, url string, n int, every time.Duration) (stop func()) {
	t.Helper()
	c := dial(t, url, "flow")
	ctx, cancel := context.WithCancel(t.Context())
	var sender sync.WaitGroup
	sender.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for i := 0; ; i++ {
			for k := range n {
				for range int(float64(2+2*n/(k+1)) * (1 + math.Sin(float64(i)/300)/2) / 2) {
					if c.Send(ctx, message(fmt.Sprintf("sensor-%d", k), 0, object{"celsius": 20 + k%5, "count": i})) != nil {
						return
					}
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		sender.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// bustle sends as the gateways of a factory would, until the test ends: of some
// machines much, of most a little, and never quite as much as the second before.
func bustle(t *testing.T, url string) {
	t.Helper()
	machines, values := []string{"oven", "press", "pump", "robot"}, []string{"temperature", "power", "vibration", "state"}
	ctx, cancel := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		senders.Wait()
	})
	for i := range 12 {
		c := dial(t, url, fmt.Sprintf("gateway-%d", i+1))
		random := rand.New(rand.NewPCG(uint64(i), 1)) //nolint:gosec // it hides nothing
		senders.Go(func() {
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for level := 1.0; ; {
				level += 0.003*(1-level) + 0.06*random.NormFloat64()
				level = min(max(level, 0.2), 3)
				for range int(7*level + random.Float64()) {
					machine := fmt.Sprintf("%s-%02d", machines[i%len(machines)], 1+int(2*random.ExpFloat64())%24)
					id := machine + "/" + values[random.IntN(len(values))]
					if c.Send(ctx, message(id, 0, object{"value": math.Round(1000*random.Float64()) / 10})) != nil {
						return
					}
				}
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
			}
		})
	}
}

// database is the SQLite file of a daemon.
func database(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "ingest.db")+"?_txlock=immediate&_pragma=busy_timeout(30000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execute(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// poison makes the sink refuse messages with the code 13, for a reason that is text.
func poison(t *testing.T, dir, reason string) (mend func()) {
	t.Helper()
	db := database(t, dir)
	execute(t, db, "CREATE TRIGGER poison BEFORE INSERT ON messages WHEN new.code = 13 BEGIN SELECT RAISE(ABORT, '"+reason+"'); END")
	return func() { execute(t, db, "DROP TRIGGER poison") }
}
