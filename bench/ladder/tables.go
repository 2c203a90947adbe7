package ladder

import (
	"context"
	"fmt"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/mysql"
)

// Prepare makes the tables at dsn, with the sink that they belong to. Those that
// are there it drops first.
func Prepare(ctx context.Context, dsn string) error {
	db, err := openDB(dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, "DROP TABLE IF EXISTS messages, streams, ingest_meta"); err != nil {
		return fmt.Errorf("drop tables: %w", err)
	}
	cfg := mysql.DefaultConfig()
	cfg.DSN = engine.Secret(dsn)
	s, err := mysql.Open(ctx, cfg, nil)
	if err != nil {
		return err
	}
	return s.Close()
}
