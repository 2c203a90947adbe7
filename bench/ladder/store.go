package ladder

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	driver "github.com/go-sql-driver/mysql"
)

// store has the statements of all designs. Each is prepared once on a connection.
type store struct {
	db     *sql.DB
	counts counts

	messages [batchSize + 1]*sql.Stmt // insert so many
	upsert   *sql.Stmt                // makes the row of a stream, or adds to it
	create   *sql.Stmt                // makes it
	update   *sql.Stmt                // adds to it
	look     *sql.Stmt                // tells whether it is there
	hold     *sql.Stmt                // the same, and locks it
}

const (
	insertMessages = "INSERT INTO messages (id, seq, client, op, code, sent_at, received_at, remote, sender, data) VALUES "
	messageRow     = "(?, UUID_SHORT(), ?, ?, ?, ?, ?, ?, '', ?)"
	createStream   = "INSERT INTO streams (id, status, messages, first_seq, last_seq, first_at, last_at)" +
		" VALUES (?, 'open', ?, ?, ?, ?, ?)"
	upsertStream = createStream + " ON DUPLICATE KEY UPDATE messages = messages + VALUES(messages)," +
		" first_seq = LEAST(first_seq, VALUES(first_seq)), last_seq = GREATEST(last_seq, VALUES(last_seq))," +
		" first_at = LEAST(first_at, VALUES(first_at)), last_at = GREATEST(last_at, VALUES(last_at))"
	updateStream = "UPDATE streams SET messages = messages + ?," +
		" first_seq = LEAST(first_seq, ?), last_seq = GREATEST(last_seq, ?)," +
		" first_at = LEAST(first_at, ?), last_at = GREATEST(last_at, ?) WHERE id = ?"
	lookStream = "SELECT messages FROM streams WHERE id = ?"
)

func openDB(dsn string) (*sql.DB, error) {
	cfg, err := driver.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("the dsn cannot be read")
	}
	cfg.Logger = &driver.NopLogger{}
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		return nil, errors.New("the driver refuses the dsn")
	}
	return sql.OpenDB(connector), nil
}

// openStore has so many connections that write at the same time.
func openStore(ctx context.Context, dsn string, connections int) (*store, error) {
	db, err := openDB(dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	s := &store{db: db}
	prepare := func(query string) *sql.Stmt {
		var stmt *sql.Stmt
		if err == nil {
			stmt, err = db.PrepareContext(ctx, query)
		}
		return stmt
	}
	for n := 1; n <= batchSize; n++ {
		s.messages[n] = prepare(insertMessages + strings.Repeat(messageRow+", ", n-1) + messageRow)
	}
	s.upsert, s.create, s.update = prepare(upsertStream), prepare(createStream), prepare(updateStream)
	s.look, s.hold = prepare(lookStream), prepare(lookStream+" FOR UPDATE")
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("prepare: %w", err)
	}
	return s, nil
}

// run executes stmt in tx, or by itself where that is nil.
func run(ctx context.Context, tx *sql.Tx, stmt *sql.Stmt, args ...any) error {
	if tx != nil {
		stmt = tx.StmtContext(ctx, stmt)
		defer func() { _ = stmt.Close() }() // on its connection it stays prepared
	}
	_, err := stmt.ExecContext(ctx, args...)
	return err
}

// insert makes the rows of messages, at most batchSize.
func (s *store) insert(ctx context.Context, tx *sql.Tx, ms ...message) error {
	args := make([]any, 0, 8*batchSize)
	for _, m := range ms {
		args = append(args, m.id, m.client, m.op, m.number, m.at, m.received, m.remote, m.data)
	}
	return run(ctx, tx, s.messages[len(ms)], args...)
}

// upsertStream adds messages of one stream to its row, which it makes where that
// is missing.
func (s *store) upsertStream(ctx context.Context, tx *sql.Tx, ms ...message) error {
	first, last := ms[0], ms[0]
	for _, m := range ms {
		first.number, last.number = min(first.number, m.number), max(last.number, m.number)
		if m.received.Before(first.received) {
			first.received = m.received
		}
		if m.received.After(last.received) {
			last.received = m.received
		}
	}
	return run(ctx, tx, s.upsert, first.id, len(ms), first.number, last.number, first.received, last.received)
}

// changeStream adds m to the row of its stream, or makes that.
func (s *store) changeStream(ctx context.Context, tx *sql.Tx, m message, there bool) error {
	if there {
		return run(ctx, tx, s.update, 1, m.number, m.number, m.received, m.received, m.id)
	}
	return run(ctx, tx, s.create, m.id, 1, m.number, m.number, m.received, m.received)
}

// find tells whether the row of a stream is there. In a transaction it locks it.
func (s *store) find(ctx context.Context, tx *sql.Tx, id string) (bool, error) {
	stmt := s.look
	if tx != nil {
		stmt = tx.StmtContext(ctx, s.hold)
		defer func() { _ = stmt.Close() }()
	}
	var n int64
	err := stmt.QueryRowContext(ctx, id).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// write inserts messages of one stream, and adds them to its row.
func (s *store) write(ctx context.Context, tx *sql.Tx, ms ...message) error {
	if err := s.insert(ctx, tx, ms...); err != nil {
		return err
	}
	return s.upsertStream(ctx, tx, ms...)
}

// transaction commits what do did, or takes it back.
func (s *store) transaction(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// rows stores messages of one stream in one transaction, with a statement for
// each row.
func (s *store) rows(ctx context.Context, ms []message) error {
	return s.transaction(ctx, func(tx *sql.Tx) error {
		for _, m := range ms {
			if err := s.write(ctx, tx, m); err != nil {
				return err
			}
		}
		return nil
	})
}

// bulk stores messages of one stream, at most batchSize, in one transaction, with
// a statement for each table.
func (s *store) bulk(ctx context.Context, ms []message) error {
	return s.transaction(ctx, func(tx *sql.Tx) error { return s.write(ctx, tx, ms...) })
}
