package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ingestd/ingestd/engine"
)

// migrations bring the tables of c from version k to k+1. They are never changed
// once released, only added to. A step may be interrupted after any statement,
// since the server commits each at once: so each must bear being repeated.
func migrations(c Config) [][]step {
	first := []step{{c.MessagesTable, "CREATE TABLE IF NOT EXISTS " + quote(c.MessagesTable) + ` (
		id          VARBINARY(255) NOT NULL,
		seq         BIGINT         NOT NULL,
		client      VARBINARY(64)  NOT NULL,
		op          VARCHAR(255)   NOT NULL,
		code        BIGINT         NOT NULL,
		sent_at     DATETIME(6)    NOT NULL,
		received_at DATETIME(6)    NOT NULL,
		remote      VARCHAR(255)   NOT NULL,
		sender      VARCHAR(255)   NOT NULL,
		data        LONGTEXT       NOT NULL,
		PRIMARY KEY (id, seq, client)
	)` + tableOptions}}
	if c.StreamsTable != "" {
		first = append(first, step{c.StreamsTable, "CREATE TABLE IF NOT EXISTS " + quote(c.StreamsTable) + ` (
			id         VARBINARY(255) NOT NULL PRIMARY KEY,
			status     VARCHAR(16)    NOT NULL,
			messages   BIGINT         NOT NULL,
			first_seq  BIGINT         NULL,
			last_seq   BIGINT         NULL,
			first_at   DATETIME(6)    NULL,
			last_at    DATETIME(6)    NULL,
			ended_at   DATETIME(6)    NULL,
			end_reason VARCHAR(16)    NULL,
			end_code   BIGINT         NULL,
			end_data   LONGTEXT       NULL
		)` + tableOptions})
	}
	return [][]step{first}
}

// step is one statement of a migration. One that makes a table is left out where
// that exists: the user may lack the right to make any.
type step struct {
	makes     string // the table, or empty
	statement string
}

const tableOptions = " ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

// openSchema makes the tables or brings them up to date, and checks that they are
// what the statements expect. A lock keeps two servers that start at the same
// time apart.
func openSchema(ctx context.Context, c *sql.Conn, cfg Config, versions [][]step) error {
	if cfg.CreateTables {
		const lock = "CONCAT('ingest_meta ', LEFT(DATABASE(), 40))"
		var got sql.NullInt64
		if err := c.QueryRowContext(ctx, "SELECT GET_LOCK("+lock+", 25)").Scan(&got); err != nil {
			return fmt.Errorf("lock table %s: %w", metaTable, err)
		}
		if got.Int64 != 1 {
			return errors.New("another server is at work on the tables")
		}
		defer func() { _, _ = c.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK("+lock+")") }()
	}
	if err := migrate(ctx, c, cfg, versions); err != nil {
		return err
	}
	return checkTables(ctx, c, cfg)
}

func migrate(ctx context.Context, c *sql.Conn, cfg Config, versions [][]step) error {
	if cfg.CreateTables {
		err := runStep(ctx, c, step{metaTable, "CREATE TABLE IF NOT EXISTS " + metaTable +
			" (name VARCHAR(64) NOT NULL PRIMARY KEY, version INT NOT NULL)" + tableOptions})
		if err != nil {
			return fmt.Errorf("make table %s: %w", metaTable, err)
		}
	}
	var version int
	err := c.QueryRowContext(ctx, "SELECT version FROM "+metaTable+" WHERE name = ?", cfg.MessagesTable).Scan(&version)
	switch missing := errors.Is(err, sql.ErrNoRows) || number(err) == 1146; {
	case missing && !cfg.CreateTables:
		return nil // made by hand; they will be checked
	case err != nil && !missing:
		return fmt.Errorf("read table %s: %w", metaTable, err)
	case version > len(versions):
		return engine.Blocked(fmt.Errorf(
			"its tables have version %d, and this program knows %d: use a newer one", version, len(versions)))
	case !cfg.CreateTables && version < len(versions):
		return engine.Blocked(fmt.Errorf(
			"its tables have version %d, and this program needs %d: set create_tables, once, to bring them up to date",
			version, len(versions)))
	case !cfg.CreateTables:
		return nil
	}
	// The tables of the newest version are made even where the version says that
	// they are there: the table of streams may have been named since.
	for _, steps := range versions[min(version, len(versions)-1):] {
		for _, s := range steps {
			if err := runStep(ctx, c, s); err != nil {
				return fmt.Errorf("make tables: %w", err)
			}
		}
	}
	_, err = c.ExecContext(ctx, "INSERT INTO "+metaTable+" (name, version) VALUES (?, ?)"+
		" ON DUPLICATE KEY UPDATE version = VALUES(version)", cfg.MessagesTable, len(versions))
	if err != nil {
		return fmt.Errorf("write table %s: %w", metaTable, err)
	}
	return nil
}

func runStep(ctx context.Context, c *sql.Conn, s step) error {
	if s.makes != "" {
		var there bool
		err := c.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.tables"+
			" WHERE table_schema = DATABASE() AND table_name = ?", s.makes).Scan(&there)
		if err != nil {
			return fmt.Errorf("look for table %s: %w", s.makes, err)
		}
		if there {
			return nil
		}
	}
	_, err := c.ExecContext(ctx, s.statement)
	return err
}
