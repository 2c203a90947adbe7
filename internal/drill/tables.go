package drill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Tables are what a daemon writes, as the judge reads it: through a connection of
// its own.
type Tables struct {
	db       *sql.DB
	messages string
	streams  string // empty: there is none
	meta     bool   // the table of versions was there before the drill
	shared   bool   // other tables are beside these
}

// metaTable is where every daemon notes the version of its tables.
const metaTable = "ingest_meta"

// OpenSQLite reads the tables of a file. There is no file yet, or the daemon has
// it open, too.
func OpenSQLite(path string) (*Tables, error) {
	uri := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(60000)"}
	db, err := sql.Open("sqlite", uri.String())
	return &Tables{db: db, messages: "messages", streams: "streams"}, err
}

// OpenMySQL reads these tables of a database; their names are plain words. It
// looks whether the database is there.
func OpenMySQL(ctx context.Context, dsn, messages, streams string) (*Tables, error) {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return nil, errors.New("the dsn cannot be read") // the driver would quote it
	}
	there, err := hasMeta(ctx, db)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reach the database: %w", err), db.Close())
	}
	return &Tables{db: db, messages: messages, streams: streams, shared: true, meta: there}, nil
}

func hasMeta(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
},
) (bool, error) {
	var n int
	err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.tables"+
		" WHERE table_schema = DATABASE() AND table_name = ?", metaTable).Scan(&n)
	return n > 0, err
}

// Rows calls add with all rows, each stream's in the order of their numbers.
func (t *Tables) Rows(ctx context.Context, add func(Row)) error {
	rows, err := t.db.QueryContext(ctx, "SELECT id, client, seq, op, code, CAST(sent_at AS CHAR), data FROM "+
		t.messages+" ORDER BY id, seq, client")
	if err != nil {
		return fmt.Errorf("read messages: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var x Row
		if err := rows.Scan(&x.ID, &x.Client, &x.Seq, &x.Op, &x.Code, &x.SentAt, &x.Data); err != nil {
			return fmt.Errorf("read messages: %w", err)
		}
		add(x)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read messages: %w", err)
	}
	return nil
}

// AwaitStored waits until at least n messages are stored. It fails once none has
// come for long.
func (t *Tables) AwaitStored(ctx context.Context, n int64) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	most := int64(-1)
	var last time.Time
	for {
		var stored int64
		if err := t.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+t.messages).Scan(&stored); err != nil {
			return fmt.Errorf("count messages: %w", err)
		}
		if stored >= n {
			return nil
		}
		if stored > most {
			most, last = stored, time.Now()
		} else if time.Since(last) > patience {
			return fmt.Errorf("%d messages were acked, and for %v no more than %d are stored", n, patience, stored)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until %d messages are stored: %w", n, ctx.Err())
		}
	}
}

// Miscounted is how many streams have a row that does not say what their messages
// say, or none.
func (t *Tables) Miscounted(ctx context.Context) (n int64, err error) {
	if t.streams == "" {
		return 0, nil
	}
	const query = `SELECT COUNT(*) FROM (
		SELECT id, COUNT(*) AS n, MIN(seq) AS low, MAX(seq) AS high FROM MESSAGES GROUP BY id
	) m LEFT JOIN STREAMS s ON s.id = m.id
	WHERE s.id IS NULL OR s.messages <> m.n OR s.first_seq <> m.low OR s.last_seq <> m.high`
	const orphans = `SELECT COUNT(*) FROM STREAMS s WHERE s.messages <> 0
		AND NOT EXISTS (SELECT 1 FROM MESSAGES m WHERE m.id = s.id)`
	for _, q := range []string{query, orphans} {
		var found int64
		q = strings.NewReplacer("MESSAGES", t.messages, "STREAMS", t.streams).Replace(q)
		if err := t.db.QueryRowContext(ctx, q).Scan(&found); err != nil {
			return 0, fmt.Errorf("count streams: %w", err)
		}
		n += found
	}
	return n, nil
}

// After is what is stored of one client and id beyond a number: how many, and the
// highest number.
func (t *Tables) After(ctx context.Context, client, id string, seq int64) (n, last int64, err error) {
	err = t.db.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(MAX(seq), 0) FROM "+t.messages+
		" WHERE id = ? AND client = ? AND seq > ?", id, client, seq).Scan(&n, &last)
	if err != nil {
		err = fmt.Errorf("look for gaps: %w", err)
	}
	return n, last, err
}

// Drop removes the tables, and leaves the database as it was.
func (t *Tables) Drop(ctx context.Context) error {
	if !t.shared {
		return nil // they go with their file
	}
	c, err := t.db.Conn(ctx)
	if err == nil {
		err = errors.Join(t.drop(ctx, c), c.Close())
	}
	if err != nil {
		return fmt.Errorf("drop tables: %w", err)
	}
	return nil
}

func (t *Tables) drop(ctx context.Context, c *sql.Conn) error {
	// A daemon that starts now holds this lock while it makes its tables.
	const lock = "CONCAT('" + metaTable + " ', LEFT(DATABASE(), 40))"
	steps := []string{"DO GET_LOCK(" + lock + ", 25)", "DROP TABLE IF EXISTS " + t.messages}
	if t.streams != "" {
		steps = append(steps, "DROP TABLE IF EXISTS "+t.streams)
	}
	there, err := hasMeta(ctx, c)
	if err != nil {
		return err
	}
	if there {
		steps = append(steps, "DELETE FROM "+metaTable+" WHERE name = '"+t.messages+"'")
	}
	for _, s := range steps {
		if _, err := c.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	if there && !t.meta {
		var others int
		err = c.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+metaTable).Scan(&others)
		if err == nil && others == 0 {
			_, err = c.ExecContext(ctx, "DROP TABLE "+metaTable)
		}
	}
	_, unlock := c.ExecContext(ctx, "DO RELEASE_LOCK("+lock+")")
	return errors.Join(err, unlock)
}

// Close closes the connection.
func (t *Tables) Close() error { return t.db.Close() }
