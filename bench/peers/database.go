package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	_ "github.com/go-sql-driver/mysql" // the drivers
	_ "modernc.org/sqlite"
)

// database is what differs between the databases.
type database struct {
	title  string
	driver string
	sink   string // of ours
	set    string // its setting that says where the database is

	// create makes the peer's table: the columns that a message has, and no key but
	// the one that the database has anyway. It costs the least, and shows the order.
	create string
	order  string // the order in which the table was written
}

var mariadb = database{
	title: "MariaDB, `innodb_flush_log_at_trx_commit=1`", driver: "mysql", sink: "mysql", set: "dsn", order: "n",
	create: `CREATE TABLE messages (n BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, id BIGINT NOT NULL, op VARCHAR(255) NOT NULL,
		code BIGINT NOT NULL, sent_at BIGINT NOT NULL, data LONGTEXT NOT NULL) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4`,
}

var sqlite = database{
	title: "SQLite", driver: "sqlite", sink: "sqlite", set: "path", order: "rowid",
	create: `PRAGMA journal_mode = WAL; CREATE TABLE messages (id INTEGER NOT NULL, op TEXT NOT NULL,
		code INTEGER NOT NULL, sent_at INTEGER NOT NULL, data TEXT NOT NULL)`,
}

// place is an empty database for one run.
type place struct {
	*database
	address string // the DSN, or the path
	db      *sql.DB
	pid     int // of its server; 0: it has none
	drop    func()
}

// newPlace makes one in the directory of the run.
func (e *environment) newPlace(ctx context.Context, d *database, dir string) (*place, error) {
	p := &place{database: d, drop: func() {}}
	dsn := ""
	if d == &mariadb {
		var err error
		if p.address, p.drop, err = e.NewDatabase(ctx); err != nil {
			return nil, err
		}
		dsn, p.pid = p.address, e.DatabasePid()
	} else {
		p.address = filepath.Join(dir, "ingest.db")
		dsn = (&url.URL{Scheme: "file", Path: p.address, RawQuery: "_pragma=busy_timeout(10000)"}).String()
	}
	var err error
	if p.db, err = sql.Open(d.driver, dsn); err != nil {
		p.drop()
		return nil, err
	}
	return p, nil
}

func (p *place) close() {
	_ = p.db.Close()
	p.drop()
}

// How often the table is looked at, and how long nothing may change in it.
const (
	look     = 5 * time.Millisecond
	patience = 20 * time.Second
)

// await waits until the peer's table has so many rows, or until it has no more of
// them for so long that it never will. Rows are counted only once their numbers say
// that there could be enough: counting reads the table, which takes its time.
func (p *place) await(ctx context.Context, want int, ended <-chan struct{}) error {
	highest := fmt.Sprintf("SELECT COALESCE(MAX(%s), 0) FROM messages", p.order)
	last, since := 0, time.Now()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		n := 0
		if err := p.db.QueryRowContext(ctx, highest).Scan(&n); err != nil {
			return err
		}
		if n >= want {
			if err := p.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM messages").Scan(&n); err != nil {
				return err
			}
			if n >= want {
				return nil
			}
		}
		if n != last {
			last, since = n, time.Now()
		} else if time.Since(since) > patience {
			return nil // what is missing is lost
		}
		select {
		case <-ticker.C:
		case <-ended:
			return fmt.Errorf("the peer has ended, with %d of %d messages stored", last, want)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
