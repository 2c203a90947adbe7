package chaos

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/drill"
	"github.com/ingestd/ingestd/internal/long"
	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// The server is killed and started again, halted, and loses all of its
// connections five times a second, all of it under load.
func TestServerFaults(t *testing.T) {
	server := mariadbtest.New(t)
	s := onMySQL(t, server.DSN(t), "--set=router.batch_wait=50ms", "--set=delivery.retry_max=1s")
	s.begin(s.listen(), drill.LoadConfig{Named: 6, Nameless: 2, IDs: 100, Rate: 3000})

	kills := long.Scale(2, 20)
	for range kills {
		s.works()
		last(time.Duration(s.rng.Int64N(int64(300 * time.Millisecond))))
		server.Kill()
		last(time.Duration(s.rng.Int64N(int64(500 * time.Millisecond))))
		server.Restart(t)
	}
	s.works()

	server.Stop()
	last(time.Duration(long.Scale(1, 60)) * time.Second)
	server.Cont()
	s.works()

	admin := mariadbtest.DB(t, server.Admin())
	ended := 0
	for ended < long.Scale(10, 600) {
		last(200 * time.Millisecond)
		ended += endConnections(t, admin)
	}
	t.Logf("%d kills; %d connections ended", kills, ended)
	s.works()
	s.end(2000)
}

// endConnections ends all connections but its own, and says how many.
func endConnections(t *testing.T, admin *sql.DB) (n int) {
	t.Helper()
	ctx := context.Background()
	c, err := admin.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	rows, err := c.QueryContext(ctx, "SELECT id FROM information_schema.processlist"+
		" WHERE user = 'root' AND id <> CONNECTION_ID()")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if _, err := c.ExecContext(ctx, fmt.Sprintf("KILL %d", id)); err == nil { // else it was gone
			n++
		}
	}
	return n
}
