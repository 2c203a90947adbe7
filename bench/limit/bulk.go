package limit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ingestd/ingestd/bench/load"
	"github.com/ingestd/ingestd/sink"
)

// Bulk says what to insert, and where. The rows are those that the daemon would
// store of the standard load.
type Bulk struct {
	Dialect  string `json:"dialect"`    // sqlite or mysql
	Path     string `json:"path"`       // sqlite
	DSN      string `json:"dsn"`        // mysql
	IDs      int    `json:"ids"`        // different ids
	RowsAnID int    `json:"rows_an_id"` // in one transaction
	Size     int    `json:"size"`       // of a message

	// Neighbours says that the ids of a transaction follow one another. Otherwise
	// they are spread over all ids.
	Neighbours bool `json:"neighbours"`

	// Bare is a table without a key, and no rows of streams.
	Bare bool `json:"bare"`
}

// transactionRows is how many rows a transaction has, which is what the daemon's
// have at most.
const transactionRows = 1000

// Inserter inserts rows. It is made by [Bulk.Open].
type Inserter struct {
	bulk     Bulk
	db       *sql.DB
	conn     *sink.Conn
	messages string // a statement of shape rows
	streams  string
	shape    int
	runs     bool  // a statement binds what the rows of an id share once
	rows     []row // of one transaction, by id
	args     []driver.NamedValue
	done     int // transactions
}

// row is what one message is stored as.
type row struct {
	id  string
	seq int64
}

// Open makes the tables and prepares to insert.
func (b Bulk) Open(ctx context.Context) (*Inserter, error) {
	if transactionRows%b.RowsAnID != 0 || b.IDs%(transactionRows/b.RowsAnID) != 0 {
		return nil, fmt.Errorf("%d ids with %d rows each do not come out even", b.IDs, b.RowsAnID)
	}
	d, ok := dialects[b.Dialect]
	if !ok {
		return nil, fmt.Errorf("no dialect is called %q", b.Dialect)
	}
	db, err := d.open(ctx, b)
	if err != nil {
		return nil, err
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	in := &Inserter{bulk: b, db: db, conn: sink.NewConn(c), shape: d.shape, runs: d.runs && b.RowsAnID > 1}
	if in.runs {
		in.shape = min(d.shape, b.RowsAnID)
		in.messages = "INSERT INTO messages (" + columns(append(slices.Clone(shared), own...)) + ") SELECT " +
			strings.Repeat("?, ", len(shared)) + "column1, column2, column3, column4, column5 FROM (VALUES " +
			sink.Tuples(in.shape, len(own)) + ")"
	} else {
		in.messages = "INSERT INTO messages (" + columns(sink.MessageColumns) + ") VALUES " +
			sink.Tuples(in.shape, len(sink.MessageColumns))
	}
	in.streams = "INSERT INTO streams (" + columns(streamColumns) + ") VALUES " +
		sink.Tuples(in.streamShape(), len(streamColumns)) + d.upsert
	return in, nil
}

// What the rows of an id share, and what each has of its own.
var (
	shared = []string{"id", "client", "op", "remote", "sender"}
	own    = []string{"seq", "code", "sent_at", "received_at", "data"}
)

// streamColumns are those that a stream has that is open.
var streamColumns = []string{"id", "status", "messages", "first_seq", "last_seq", "first_at", "last_at"}

// streamShape is how many rows of streams a statement has: all that a transaction
// needs, where they fit.
func (in *Inserter) streamShape() int {
	return min(dialects[in.bulk.Dialect].shape, transactionRows/in.bulk.RowsAnID)
}

// Run inserts so many rows, or a transaction's more.
func (in *Inserter) Run(ctx context.Context, rows int) (inserted int, err error) {
	for inserted < rows {
		if err := in.conn.Transaction(ctx, in.transaction); err != nil {
			return inserted, err
		}
		inserted += transactionRows
	}
	return inserted, nil
}

// Close closes the database.
func (in *Inserter) Close() error {
	_ = in.conn.Close()
	return in.db.Close()
}

// transaction inserts the rows of the next ids, sorted by key, and then changes
// those of their streams.
func (in *Inserter) transaction(ctx context.Context) error {
	now := time.Now().UTC().Format("2006-01-02 15:04:05.000000")
	in.load()
	_, data := load.Sample(in.bulk.Size)
	fixed := struct{ client, op, code, sent, received, remote, sender, data any }{
		"", "report", int64(0), "2024-05-07 03:33:20.000000", now, "127.0.0.1:51234", "", data,
	}
	var id any
	last := ""
	for at := 0; at < len(in.rows); at += in.shape {
		in.args = in.args[:0]
		if in.runs {
			in.add(in.rows[at].id, fixed.client, fixed.op, fixed.remote, fixed.sender)
		}
		for _, r := range in.rows[at : at+in.shape] {
			if in.runs {
				in.add(r.seq, fixed.code, fixed.sent, fixed.received, fixed.data)
				continue
			}
			if r.id != last {
				id, last = r.id, r.id
			}
			in.add(id, r.seq, fixed.client, fixed.op, fixed.code, fixed.sent, fixed.received,
				fixed.remote, fixed.sender, fixed.data)
		}
		if _, err := in.conn.Exec(ctx, in.messages, in.args); err != nil {
			return fmt.Errorf("insert messages: %w", err)
		}
	}
	if in.bulk.Bare {
		return nil
	}
	n := in.bulk.RowsAnID
	in.args = in.args[:0]
	for at := 0; at < len(in.rows); at += n {
		in.add(in.rows[at].id, "open", int64(n), in.rows[at].seq, in.rows[at+n-1].seq, now, now)
		if len(in.args) < in.streamShape()*len(streamColumns) {
			continue
		}
		if _, err := in.conn.Exec(ctx, in.streams, in.args); err != nil {
			return fmt.Errorf("write streams: %w", err)
		}
		in.args = in.args[:0]
	}
	return nil
}

func (in *Inserter) add(values ...any) {
	for _, v := range values {
		in.args = append(in.args, driver.NamedValue{Ordinal: len(in.args) + 1, Value: v})
	}
}

// firstSeq is about what the daemon gives where nobody numbers.
const firstSeq int64 = 1<<62 + 1<<57

// load makes the rows of the next transaction, by id. Those that are ready at the
// same time are not neighbours, unless there are very many of them.
func (in *Inserter) load() {
	const firstID = 1_000_000
	n := transactionRows / in.bulk.RowsAnID // ids
	turns := in.bulk.IDs / n                // until all ids had theirs
	turn, before := in.done%turns, in.done/turns*in.bulk.RowsAnID
	in.rows = in.rows[:0]
	for k := range n {
		id := strconv.Itoa(firstID + turn + k*turns)
		if in.bulk.Neighbours {
			id = strconv.Itoa(firstID + turn*n + k)
		}
		for i := range in.bulk.RowsAnID {
			in.rows = append(in.rows, row{id, firstSeq + int64(before+i)})
		}
	}
	in.done++
}

func columns(names []string) string { return strings.Join(names, ", ") }
