package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"

	_ "modernc.org/sqlite" // the driver

	"github.com/ingestd/ingestd/bench/load"
)

// countSQLite counts what is stored in the file, and with check sees that each
// stream has its messages, each once, in the order in which they were sent.
func countSQLite(ctx context.Context, path string, check bool) (int64, error) {
	return count(ctx, "sqlite", (&url.URL{Scheme: "file", Path: path}).String(), check)
}

func countMySQL(ctx context.Context, dsn string, check bool) (int64, error) {
	return count(ctx, "mysql", dsn, check)
}

func count(ctx context.Context, driver, dsn string, check bool) (n int64, err error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close() }()
	if !check {
		err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM messages").Scan(&n)
		return n, err
	}
	rows, err := db.QueryContext(ctx, "SELECT id, data FROM messages ORDER BY id, seq, client")
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	var last string
	var next map[int]int // of each connection: the number that must come next
	for rows.Next() {
		var id, data sql.RawBytes
		if err := rows.Scan(&id, &data); err != nil {
			return 0, err
		}
		if string(id) != last {
			last, next = string(id), make(map[int]int)
		}
		conn, number, ok := load.Numbers(data)
		if !ok || number != next[conn] {
			return 0, fmt.Errorf("id %s: after %d messages of connection %d comes %s", id, next[conn], conn, data)
		}
		next[conn]++
		n++
	}
	return n, rows.Err()
}
