package sink

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ingestd/ingestd/engine"
)

// nested is the connection of a Write as Apply's transaction sees it: that
// transaction is a part of the sink's, begins and ends nothing, and must not try.
type nested struct {
	driver.Conn
	hook     *Hook
	returned atomic.Bool // Apply has come to its end

	mu    sync.Mutex
	first error // what makes the transaction of no more use
}

var errEnds = errors.New("it must not end the transaction, which is the sink's")

// fail notes what Apply must not have done, or cannot go on after.
func (n *nested) fail(err error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.first == nil {
		n.first = err
	}
	return err
}

func (n *nested) fault() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.first
}

// Connect implements driver.Connector.
func (n *nested) Connect(context.Context) (driver.Conn, error) { return n, nil }

// Driver implements driver.Connector.
func (n *nested) Driver() driver.Driver { return nil }

// Close leaves the connection open, which is the sink's.
func (n *nested) Close() error { return nil }

// BeginTx begins nothing: the transaction is under way.
func (n *nested) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) { return n, nil }

// Commit implements driver.Tx.
func (n *nested) Commit() error {
	return n.fail(engine.Blocked(fmt.Errorf("%w: Commit was called", errEnds)))
}

// Rollback implements driver.Tx. That of the end of Apply is none.
func (n *nested) Rollback() error {
	if n.returned.Load() {
		return nil
	}
	return n.fail(engine.Blocked(fmt.Errorf("%w: Rollback was called", errEnds)))
}

// CheckNamedValue lets the driver convert an argument as it always does.
func (n *nested) CheckNamedValue(v *driver.NamedValue) error {
	if c, ok := n.Conn.(driver.NamedValueChecker); ok {
		return c.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// ExecContext implements driver.ExecerContext.
func (n *nested) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := n.check(query); err != nil {
		return nil, err
	}
	if err := n.measure(len(query), args); err != nil {
		return nil, err
	}
	result, err := n.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	return result, n.after(err)
}

// QueryContext implements driver.QueryerContext.
func (n *nested) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := n.check(query); err != nil {
		return nil, err
	}
	if err := n.measure(len(query), args); err != nil {
		return nil, err
	}
	rows, err := n.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	return rows, n.after(err)
}

// PrepareContext implements driver.ConnPrepareContext.
func (n *nested) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if err := n.check(query); err != nil {
		return nil, err
	}
	stmt, err := n.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, n.after(err)
	}
	return &nestedStmt{stmt, n}, nil
}

// nestedStmt is a statement of Apply.
type nestedStmt struct {
	driver.Stmt
	in *nested
}

// CheckNamedValue lets the driver convert an argument as it always does.
func (s *nestedStmt) CheckNamedValue(v *driver.NamedValue) error {
	if c, ok := s.Stmt.(driver.NamedValueChecker); ok {
		return c.CheckNamedValue(v)
	}
	return s.in.CheckNamedValue(v)
}

// ExecContext implements driver.StmtExecContext.
func (s *nestedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.in.measure(0, args); err != nil {
		return nil, err
	}
	result, err := s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	return result, s.in.after(err)
}

// QueryContext implements driver.StmtQueryContext.
func (s *nestedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.in.measure(0, args); err != nil {
		return nil, err
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	return rows, s.in.after(err)
}

// measure tells whether a statement may be run, and is not too large.
func (n *nested) measure(bytes int, args []driver.NamedValue) error {
	if err := n.fault(); err != nil || n.hook.MaxBytes == 0 {
		return err
	}
	for k := range args {
		bytes += 10
		switch v := args[k].Value.(type) {
		case string:
			bytes += len(v)
		case []byte:
			bytes += len(v)
		}
	}
	if bytes <= n.hook.MaxBytes {
		return nil
	}
	return n.hook.TooBig(bytes, n.hook.MaxBytes)
}

// after notes an error after which the transaction is not there any more: what
// Apply did then would be committed at once, and alone.
func (n *nested) after(err error) error {
	if err != nil && !errors.Is(err, driver.ErrSkip) && n.hook.Over != nil && n.hook.Over(err) {
		return n.fail(err)
	}
	return err
}

// check refuses a statement that would end the transaction, as far as its first
// words tell.
func (n *nested) check(query string) error {
	if err := n.fault(); err != nil {
		return err
	}
	first, second := words(query)
	switch first {
	case "ROLLBACK":
		if second == "TO" {
			return nil
		}
	case "BEGIN", "START", "COMMIT", "END":
	default:
		if !slices.Contains(n.hook.Ends, first) || second == "TEMPORARY" {
			return nil
		}
	}
	return n.fail(engine.Blocked(fmt.Errorf("%w: %s would", errEnds, first)))
}

// words gives the first two words of a statement, in upper case.
func words(query string) (first, second string) {
	first, query = word(query)
	second, _ = word(query)
	return first, second
}

// word gives the first word, and what follows it.
func word(query string) (first, rest string) {
	for {
		query = strings.TrimLeft(query, " \t\r\n\f;(")
		var end string
		switch {
		case strings.HasPrefix(query, "--"), strings.HasPrefix(query, "#"):
			end = "\n"
		case strings.HasPrefix(query, "/*"):
			end = "*/"
		default:
			n := strings.IndexFunc(query, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') })
			if n < 0 {
				n = len(query)
			}
			return strings.ToUpper(query[:n]), query[n:]
		}
		_, query, _ = strings.Cut(query, end)
	}
}
