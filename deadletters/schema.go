package deadletters

import (
	"context"
	"fmt"

	"github.com/ingestd/ingestd/sink"
)

// migrations bring the file from version k to k+1, which it keeps as SQLite's
// user_version. They are never changed once released, only added to.
//
// The table totals saves counting a million letters for a metric; letters that
// somebody deletes by hand are counted, too.
var migrations = [][]string{
	{
		`CREATE TABLE letters (
			number      INTEGER PRIMARY KEY AUTOINCREMENT,
			digest      BLOB    NOT NULL UNIQUE,
			kind        TEXT    NOT NULL,
			id          TEXT    NOT NULL,
			seq         INTEGER NOT NULL,
			client      TEXT    NOT NULL,
			op          TEXT    NOT NULL,
			code        INTEGER NOT NULL,
			sent_at     TEXT    NOT NULL,
			received_at TEXT    NOT NULL,
			remote      TEXT    NOT NULL,
			sender      TEXT    NOT NULL,
			data        BLOB    NOT NULL,
			reason      TEXT    NOT NULL,
			error_code  TEXT    NOT NULL,
			sink        TEXT    NOT NULL,
			refused_at  TEXT    NOT NULL,
			attempts    INTEGER NOT NULL,
			replay      INTEGER
		) STRICT`,
		`CREATE INDEX letters_by_id ON letters (id, number)`,
		`CREATE INDEX letters_to_replay ON letters (number, replay) WHERE replay IS NOT NULL`,
		`CREATE INDEX letters_by_replay ON letters (replay) WHERE replay IS NOT NULL`,
		`CREATE TABLE replays (
			request  INTEGER PRIMARY KEY AUTOINCREMENT,
			asked_at TEXT    NOT NULL,
			letters  INTEGER NOT NULL,
			stored   INTEGER NOT NULL,
			refused  INTEGER NOT NULL
		) STRICT`,
		`CREATE TABLE totals (letters INTEGER NOT NULL) STRICT`,
		`INSERT INTO totals (letters) VALUES (0)`,
		`CREATE TRIGGER letter_kept AFTER INSERT ON letters BEGIN
			UPDATE totals SET letters = letters + 1;
		END`,
		`CREATE TRIGGER letter_gone AFTER DELETE ON letters BEGIN
			UPDATE totals SET letters = letters - 1;
		END`,
		`CREATE TRIGGER letter_refused_again AFTER UPDATE OF replay ON letters
			WHEN old.replay IS NOT NULL AND new.replay IS NULL BEGIN
			UPDATE replays SET refused = refused + 1 WHERE request = old.replay;
		END`,
	},
}

// migrate makes the tables or brings them up to date, in one transaction.
func migrate(ctx context.Context, c *sink.Conn, steps [][]string) error {
	return c.Transaction(ctx, func(ctx context.Context) error {
		var version int
		if err := c.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return fmt.Errorf("read its version: %w", err)
		}
		if version > len(steps) {
			return fmt.Errorf("it has version %d, and this program knows %d: use a newer one", version, len(steps))
		}
		for _, step := range steps[version:] {
			for _, statement := range step {
				if _, err := c.ExecContext(ctx, statement); err != nil {
					return fmt.Errorf("make its tables: %w", err)
				}
			}
		}
		if version == len(steps) {
			return nil
		}
		_, err := c.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(steps)))
		return err
	})
}
