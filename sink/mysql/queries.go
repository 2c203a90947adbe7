package mysql

import (
	"fmt"
	"strings"

	"github.com/ingestd/ingestd/sink"
)

// shapes are how many rows a statement may have; each is prepared once on a
// connection. More than 500 rows of the usual size do not fit into maxStatement,
// and save nothing; nor does any come near the 65,535 placeholders that a
// statement may have.
var shapes = []int{500, 100, 20, 5, 1}

// keyShapes are how many keys are looked up at once. Fewer are filled up by
// repeating the last.
var keyShapes = []int{100, 10, 1}

// queries are the statements on the tables of one Config, all in words that both
// MySQL and MariaDB know: VALUES(column), not the row alias that is to replace it.
type queries struct {
	insertMessages map[int]string
	selectMessages map[int]string
	upsertStreams  map[int]string // nil: no rows of streams
	reopenStream   string
	addToEnded     string
	selectRows     string
	selectLastSeq  string
	readStream     string // empty: no rows of streams
	readMessages   string
}

func newQueries(messages, streams string) *queries {
	q := &queries{
		insertMessages: make(map[int]string),
		selectMessages: make(map[int]string),
		selectRows:     "SELECT COUNT(*) FROM " + quote(messages) + " WHERE id = ?",
		selectLastSeq: "SELECT seq FROM " + quote(messages) +
			" WHERE id = ? AND client = ? AND seq < ? ORDER BY seq DESC LIMIT 1",
		readMessages: "SELECT " + strings.Join(sink.MessageColumns, ", ") + " FROM " + quote(messages) +
			" WHERE id = ? ORDER BY seq DESC, client DESC LIMIT ?",
	}
	// Without clientFoundRows the server counts a row that is there already, and
	// stays as it is, as 0 affected rows.
	for _, n := range shapes {
		q.insertMessages[n] = insert(messages, sink.MessageColumns, n) + " ON DUPLICATE KEY UPDATE seq = seq"
	}
	for _, n := range keyShapes {
		q.selectMessages[n] = "SELECT id, seq, client, op, code, data FROM " + quote(messages) + " WHERE " +
			strings.Repeat("(id = ? AND seq = ? AND client = ?) OR ", n-1) + "(id = ? AND seq = ? AND client = ?)"
	}
	if streams == "" {
		return q
	}
	q.readStream = "SELECT " + strings.Join(sink.StreamColumns, ", ") + " FROM " + quote(streams) + " WHERE id = ?"
	q.upsertStreams = make(map[int]string)
	for _, n := range shapes {
		q.upsertStreams[n] = insert(streams, sink.StreamColumns, n) + " ON DUPLICATE KEY UPDATE " + updateStream
	}
	q.reopenStream = "UPDATE " + quote(streams) + " SET status = 'open', ended_at = NULL, end_reason = NULL," +
		" end_code = NULL, end_data = NULL WHERE id = ? AND status = 'done' AND ended_at <= ?"
	q.addToEnded = "UPDATE " + quote(streams) + " SET messages = messages + ?," +
		" first_seq = COALESCE(LEAST(first_seq, ?), ?), last_seq = COALESCE(GREATEST(last_seq, ?), ?)," +
		" first_at = COALESCE(LEAST(first_at, CAST(? AS DATETIME(6))), ?)," +
		" last_at = COALESCE(GREATEST(last_at, CAST(? AS DATETIME(6))), ?)" +
		" WHERE id = ? AND status = 'done' AND ended_at > ?"
	q.selectRows = "SELECT messages FROM " + quote(streams) + " WHERE id = ?"
	return q
}

func insert(table string, columns []string, rows int) string {
	return "INSERT INTO " + quote(table) + " (" + strings.Join(columns, ", ") + ") VALUES " +
		sink.Tuples(rows, len(columns))
}

// updateStream adds to what is there. An end of a stream that is done, after no
// new message, changes nothing if it is a disconnect, and not the time if it is
// the same. The assignments are carried out from left to right, and each sees
// those before it: so what the conditions look at is changed after them, the
// status last. What is to be inserted has no end where its status is open.
var updateStream = func() string {
	const (
		ended = "status = 'done' AND VALUES(status) = 'done' AND VALUES(messages) = 0"
		gone  = ended + " AND VALUES(end_reason) = 'disconnect'"
		same  = ended + " AND end_reason = VALUES(end_reason)" +
			" AND end_code <=> VALUES(end_code) AND end_data <=> VALUES(end_data)"
	)
	set := []string{"messages = messages + VALUES(messages)"}
	for _, c := range []struct{ column, f string }{
		{"first_seq", "LEAST"}, {"last_seq", "GREATEST"}, {"first_at", "LEAST"}, {"last_at", "GREATEST"},
	} {
		set = append(set, fmt.Sprintf("%[1]s = COALESCE(%[2]s(%[1]s, VALUES(%[1]s)), %[1]s, VALUES(%[1]s))", c.column, c.f))
	}
	set = append(set, "ended_at = IF(("+gone+") OR ("+same+"), ended_at, VALUES(ended_at))")
	for _, column := range []string{"end_code", "end_data", "end_reason"} {
		set = append(set, fmt.Sprintf("%[1]s = IF(%[2]s, %[1]s, VALUES(%[1]s))", column, gone))
	}
	return strings.Join(append(set, "status = VALUES(status)"), ", ")
}()

// quote makes a name of a table one in SQL.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
