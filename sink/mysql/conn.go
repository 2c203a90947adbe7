package mysql

import (
	"context"
	"fmt"
	"strings"

	"github.com/ingestd/ingestd/internal/seedbug"
	"github.com/ingestd/ingestd/sink"
)

// writer is a connection that writes, and what it reuses from Write to Write.
type writer struct {
	conn    *sink.Conn
	queries *queries
	hook    *sink.Hook
	group   sink.Group
	args    sink.Args
	packet  int // the server's max_allowed_packet
	limit   int // how many bytes a statement of several rows may take
	sent    int // how many of the fresh rows the last INSERT came to
}

// connect makes a connection. SET TRANSACTION is a statement of its own because
// the variable behind it has another name in every server.
func (s *Sink) connect(ctx context.Context) (w *writer, err error) {
	defer func() {
		if err != nil {
			s.failed.Add(1)
		} else {
			s.opened.Add(1)
		}
	}()
	c, err := s.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	w = &writer{conn: sink.NewConn(c), queries: s.queries}
	var server string
	if _, err = c.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"); err == nil {
		err = c.QueryRowContext(ctx, "SELECT @@max_allowed_packet, CONCAT(@@version, ' ', @@version_comment)").
			Scan(&w.packet, &server)
	}
	maria := strings.Contains(strings.ToLower(server), "mariadb")
	if err == nil && maria && s.limitsIdle && !seedbug.Is("mysql-frozen-keeps-locks") {
		if _, err = c.ExecContext(ctx, fmt.Sprintf("SET SESSION %s = %d", idleLimit, idleSeconds)); number(err) == unknownVariable {
			err = nil // it is older than 10.3
		}
	}
	if err != nil {
		w.conn.Discard()
		return nil, fmt.Errorf("connect: %w", err)
	}
	s.maria.Store(maria)
	w.hook = &sink.Hook{
		Apply: s.apply, Ends: implicitCommits, Over: rolledBack, Code: code, MaxBytes: w.packet, TooBig: tooBig,
	}
	return w, nil
}

func (w *writer) release() {
	w.group.Release()
	w.args.Release()
}
