package cluster

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// watch looks at the rows while they come: of each client and id, the numbers must
// be there from 1 on without a gap. Afterwards, when all is there, nobody could
// see any more in which order it came.
type watch struct {
	t      *testing.T
	cancel context.CancelFunc
	work   sync.WaitGroup
	looks  int
}

// gaps are the clients and ids with a gap. Those that number otherwise are beside
// them: see [ender].
const gaps = `SELECT id, client, COUNT(*), MAX(seq) FROM messages WHERE id NOT LIKE 'end/%'
	GROUP BY id, client HAVING COUNT(*) <> MAX(seq)`

// startWatch looks until the test ends, at the latest.
func startWatch(t *testing.T, db *sql.DB) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{t: t, cancel: cancel}
	w.work.Go(func() {
		for ctx.Err() == nil {
			begun := time.Now()
			w.look(ctx, db)
			// Looking takes longer, the more there is; it is not to take a processor.
			timer := time.NewTimer(200*time.Millisecond + 10*time.Since(begun))
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
		}
	})
	t.Cleanup(w.end)
	return w
}

func (w *watch) look(ctx context.Context, db *sql.DB) {
	found, err := findGaps(ctx, db)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		w.t.Errorf("look for gaps: %v", err)
	}
	for _, gap := range found {
		w.t.Error(gap)
	}
	w.looks++
}

// findGaps looks with one statement, so that it sees one state.
func findGaps(ctx context.Context, db *sql.DB) (found []string, err error) {
	rows, err := db.QueryContext(ctx, gaps)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, client string
		var n, last int64
		if err := rows.Scan(&id, &client, &n, &last); err != nil {
			return nil, err
		}
		found = append(found, fmt.Sprintf("of %s, %q has %d messages up to number %d", client, id, n, last))
	}
	return found, rows.Err()
}

func (w *watch) end() {
	w.cancel()
	w.work.Wait()
}

// stop ends it. It must have looked.
func (w *watch) stop() {
	w.t.Helper()
	w.end()
	w.t.Logf("looked %d times for gaps", w.looks)
	if w.looks == 0 {
		w.t.Error("void: nobody looked for gaps")
	}
}

// What is there without what comes before it is seen.
func TestFindGaps(t *testing.T) {
	db := mariadbtest.DB(t, mariadbtest.DSN(t))
	for _, query := range []string{
		"CREATE TABLE messages (id VARCHAR(20), client VARCHAR(20), seq INT)",
		"INSERT INTO messages VALUES ('a', 'x', 1), ('a', 'x', 2), ('a', 'y', 1), ('b', 'x', 1), ('end/1', 'x', 2), ('end/1', 'x', 4)",
	} {
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := findGaps(t.Context(), db); err != nil || len(found) != 0 {
		t.Errorf("found are %v, %v", found, err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO messages VALUES ('a', 'y', 3), ('b', 'y', 2)"); err != nil {
		t.Fatal(err)
	}
	if found, err := findGaps(t.Context(), db); err != nil || len(found) != 2 {
		t.Errorf("found are %v, %v", found, err)
	}
}
