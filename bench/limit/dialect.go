package limit

import (
	"context"
	"database/sql"
	"errors"
	"net/url"

	_ "github.com/go-sql-driver/mysql" // the drivers
	_ "modernc.org/sqlite"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/mysql"
	"github.com/ingestd/ingestd/sink/sqlite"
)

// dialect is what differs between the databases.
type dialect struct {
	open   func(context.Context, Bulk) (*sql.DB, error) // with the tables
	shape  int                                          // rows of a statement; more save nothing
	runs   bool                                         // a statement has rows of one id, and binds what they share once
	upsert string                                       // adds to the row of a stream that is there
}

var dialects = map[string]dialect{
	"sqlite": {openSQLite, 50, true, " ON CONFLICT (id) DO UPDATE SET status = excluded.status," +
		" messages = messages + excluded.messages, last_seq = excluded.last_seq, last_at = excluded.last_at"},
	"mysql": {openMySQL, 500, false, " ON DUPLICATE KEY UPDATE status = VALUES(status)," +
		" messages = messages + VALUES(messages), last_seq = VALUES(last_seq), last_at = VALUES(last_at)"},
}

// The bare tables have the columns of the real ones.
const (
	bareSQLite = `CREATE TABLE messages (id TEXT NOT NULL, seq INTEGER NOT NULL, client TEXT NOT NULL, op TEXT NOT NULL,
		code INTEGER NOT NULL, sent_at TEXT NOT NULL, received_at TEXT NOT NULL, remote TEXT NOT NULL,
		sender TEXT NOT NULL, data TEXT NOT NULL)`
	bareMySQL = `CREATE TABLE messages (n BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, id VARBINARY(255) NOT NULL,
		seq BIGINT NOT NULL, client VARBINARY(64) NOT NULL, op VARCHAR(255) NOT NULL, code BIGINT NOT NULL,
		sent_at DATETIME(6) NOT NULL, received_at DATETIME(6) NOT NULL, remote VARCHAR(255) NOT NULL,
		sender VARCHAR(255) NOT NULL, data LONGTEXT NOT NULL)
		ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`
)

// openSQLite opens the file with the settings of package sink/sqlite.
func openSQLite(ctx context.Context, b Bulk) (*sql.DB, error) {
	if !b.Bare {
		c := sqlite.DefaultConfig()
		c.Path = b.Path
		s, err := sqlite.Open(ctx, c, nil)
		if err != nil {
			return nil, err
		}
		if err := s.Close(); err != nil {
			return nil, err
		}
	}
	query := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(16000)",
		"journal_size_limit(100663296)", "cache_size(-16384)", "temp_store(MEMORY)",
	}}
	return open(ctx, "sqlite", (&url.URL{Scheme: "file", Path: b.Path, RawQuery: query.Encode()}).String(), b.Bare, bareSQLite)
}

// openMySQL opens the database with the settings of package sink/mysql that make a
// difference.
func openMySQL(ctx context.Context, b Bulk) (*sql.DB, error) {
	if !b.Bare {
		c := mysql.DefaultConfig()
		c.DSN = engine.Secret(b.DSN)
		s, err := mysql.Open(ctx, c, nil)
		if err != nil {
			return nil, err
		}
		if err := s.Close(); err != nil {
			return nil, err
		}
	}
	return open(ctx, "mysql", b.DSN, b.Bare, bareMySQL)
}

func open(ctx context.Context, driver, dsn string, bare bool, create string) (*sql.DB, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil || !bare {
		return db, err
	}
	if _, err := db.ExecContext(ctx, create); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}
