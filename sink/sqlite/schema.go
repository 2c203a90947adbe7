package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// migrations bring the tables from version k to k+1. They are never changed once
// released, only added to.
var migrations = [][]string{
	{`CREATE TABLE IF NOT EXISTS messages (
		id          TEXT    NOT NULL,
		seq         INTEGER NOT NULL,
		client      TEXT    NOT NULL,
		op          TEXT    NOT NULL,
		code        INTEGER NOT NULL,
		sent_at     TEXT    NOT NULL,
		received_at TEXT    NOT NULL,
		remote      TEXT    NOT NULL,
		sender      TEXT    NOT NULL,
		data        TEXT    NOT NULL,
		UNIQUE (id, seq, client)
	)`, `CREATE TABLE IF NOT EXISTS streams (
		id         TEXT    NOT NULL PRIMARY KEY,
		status     TEXT    NOT NULL,
		messages   INTEGER NOT NULL,
		first_seq  INTEGER,
		last_seq   INTEGER,
		first_at   TEXT,
		last_at    TEXT,
		ended_at   TEXT,
		end_reason TEXT,
		end_code   INTEGER,
		end_data   TEXT
	)`},
}

// openSchema makes the tables or brings them up to date, in one transaction, and
// checks that they are what the statements expect.
func openSchema(ctx context.Context, c *sink.Conn, steps [][]string) error {
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err = migrate(ctx, tx, steps)
	if err == nil {
		err = checkTable(ctx, tx, "messages", sink.MessageColumns, []string{"client", "id", "seq"})
	}
	if err == nil {
		err = checkTable(ctx, tx, "streams", sink.StreamColumns, []string{"id"})
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func migrate(ctx context.Context, tx *sql.Tx, steps [][]string) error {
	const meta = "CREATE TABLE IF NOT EXISTS ingest_meta (name TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL)"
	if _, err := tx.ExecContext(ctx, meta); err != nil {
		return fmt.Errorf("make table ingest_meta: %w", err)
	}
	var version int
	err := tx.QueryRowContext(ctx, "SELECT version FROM ingest_meta WHERE name = 'messages'").Scan(&version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read table ingest_meta: %w", err)
	}
	if version > len(steps) {
		return engine.Blocked(fmt.Errorf("its tables have version %d, and this program knows %d: use a newer one",
			version, len(steps)))
	}
	if version == len(steps) {
		return nil
	}
	for _, step := range steps[version:] {
		for _, statement := range step {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("make tables: %w", err)
			}
		}
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO ingest_meta (name, version) VALUES ('messages', ?)"+
		" ON CONFLICT (name) DO UPDATE SET version = excluded.version", len(steps))
	if err != nil {
		return fmt.Errorf("write table ingest_meta: %w", err)
	}
	return nil
}

// checkTable looks for the columns and for the unique key.
func checkTable(ctx context.Context, tx *sql.Tx, table string, columns, key []string) error {
	have, err := names(ctx, tx, "SELECT name FROM pragma_table_info(?)", table)
	if err != nil {
		return fmt.Errorf("look at table %s: %w", table, err)
	}
	if len(have) == 0 {
		return engine.Blocked(fmt.Errorf("there is no table %q", table))
	}
	for _, column := range columns {
		if !slices.Contains(have, column) {
			return engine.Blocked(fmt.Errorf("table %q has no column %q", table, column))
		}
	}
	indexes, err := names(ctx, tx, `SELECT name FROM pragma_index_list(?) WHERE "unique" AND NOT partial`, table)
	if err != nil {
		return fmt.Errorf("look at the keys of table %s: %w", table, err)
	}
	for _, index := range indexes {
		have, err := names(ctx, tx, "SELECT name FROM pragma_index_info(?) ORDER BY name", index)
		if err != nil {
			return fmt.Errorf("look at key %s: %w", index, err)
		}
		if slices.Equal(have, key) {
			return nil
		}
	}
	return engine.Blocked(fmt.Errorf("table %q has no unique key on %v", table, key))
}

func names(ctx context.Context, tx *sql.Tx, query, arg string) ([]string, error) {
	rows, err := tx.QueryContext(ctx, query, arg)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		var name sql.NullString // an index on an expression has none
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		all = append(all, name.String)
	}
	return all, rows.Err()
}
