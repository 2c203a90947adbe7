package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// checkTables compares the tables with what the statements need. What is wrong
// here would show later as messages that are lost, changed or taken for others.
func checkTables(ctx context.Context, c *sql.Conn, cfg Config) error {
	if err := checkTable(ctx, c, cfg.MessagesTable, sink.MessageColumns, "client,id,seq"); err != nil {
		return err
	}
	if cfg.StreamsTable == "" {
		return nil
	}
	return checkTable(ctx, c, cfg.StreamsTable, sink.StreamColumns, "id")
}

func checkTable(ctx context.Context, c *sql.Conn, table string, columns []string, key string) error {
	var storage sql.NullString
	err := c.QueryRowContext(ctx, "SELECT engine FROM information_schema.tables"+
		" WHERE table_schema = DATABASE() AND table_name = ?", table).Scan(&storage)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return engine.Blocked(fmt.Errorf("there is no table %q", table))
	case err != nil:
		return fmt.Errorf("look at table %s: %w", table, err)
	}
	if slices.Contains([]string{"MyISAM", "MEMORY", "Aria", "CSV", "ARCHIVE", "BLACKHOLE"}, storage.String) {
		return engine.Blocked(fmt.Errorf("table %q is kept by %s, which knows no transactions: use InnoDB",
			table, storage.String))
	}
	if err := checkColumns(ctx, c, table, columns); err != nil {
		return err
	}
	return checkKey(ctx, c, table, key)
}

func checkColumns(ctx context.Context, c *sql.Conn, table string, columns []string) error {
	rows, err := c.QueryContext(ctx, "SELECT LOWER(column_name), LOWER(data_type), character_set_name"+
		" FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?", table)
	if err != nil {
		return fmt.Errorf("look at table %s: %w", table, err)
	}
	defer func() { _ = rows.Close() }()
	type column struct{ kind, charset string }
	have := make(map[string]column)
	for rows.Next() {
		var name, kind string
		var charset sql.NullString
		if err := rows.Scan(&name, &kind, &charset); err != nil {
			return fmt.Errorf("look at table %s: %w", table, err)
		}
		have[name] = column{kind, charset.String}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("look at table %s: %w", table, err)
	}
	var errs []error
	for _, name := range columns {
		is, ok := have[name]
		switch bytewise := name == "id" || name == "client"; {
		case !ok:
			errs = append(errs, fmt.Errorf("table %q has no column %q", table, name))
		case bytewise && is.kind != "varbinary":
			errs = append(errs, fmt.Errorf("column %q of table %q is %s, and must be VARBINARY, to compare byte by byte",
				name, table, strings.ToUpper(is.kind)))
		case !bytewise && is.charset != "" && is.charset != "utf8mb4":
			errs = append(errs, fmt.Errorf("column %q of table %q has the character set %s, and must have utf8mb4",
				name, table, is.charset))
		}
	}
	return engine.Blocked(errors.Join(errs...))
}

// checkKey looks for a unique key on just these columns, in whatever order.
func checkKey(ctx context.Context, c *sql.Conn, table, key string) error {
	var found int
	err := c.QueryRowContext(ctx, `SELECT COUNT(*) FROM (
		SELECT GROUP_CONCAT(LOWER(column_name) ORDER BY LOWER(column_name)) AS parts, COUNT(sub_part) AS prefixes
		FROM information_schema.statistics
		WHERE table_schema = DATABASE() AND table_name = ? AND non_unique = 0
		GROUP BY index_name) AS uniques WHERE parts = ? AND prefixes = 0`, table, key).Scan(&found)
	if err != nil {
		return fmt.Errorf("look at the keys of table %s: %w", table, err)
	}
	if found == 0 {
		return engine.Blocked(fmt.Errorf("table %q has no unique key on (%s)", table, key))
	}
	return nil
}
