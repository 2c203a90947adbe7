package sink

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
)

// Conn is a connection to a database that keeps what it has prepared. Its
// statements run below database/sql, which would copy and convert every argument
// twice; transactions are database/sql's own, begun on the same connection. It
// is used by one goroutine at a time.
type Conn struct {
	*sql.Conn
	stmts map[string]driver.Stmt
}

// NewConn wraps c, which is its own from now on.
func NewConn(c *sql.Conn) *Conn {
	return &Conn{Conn: c, stmts: make(map[string]driver.Stmt)}
}

// Exec runs query with args and tells how many rows it affected. The query is
// prepared once, so there should be few different ones. The driver must not keep
// what args point to.
func (c *Conn) Exec(ctx context.Context, query string, args []driver.NamedValue) (int64, error) {
	var affected int64
	err := c.with(ctx, query, func(stmt driver.Stmt) error {
		result, err := stmt.(driver.StmtExecContext).ExecContext(ctx, args)
		if err != nil {
			return err
		}
		affected, err = result.RowsAffected()
		return err
	})
	return affected, err
}

// Query runs query with args and calls row for each row of the answer. The
// values are valid during the call.
func (c *Conn) Query(
	ctx context.Context, query string, args []driver.NamedValue, row func([]driver.Value) error,
) error {
	return c.with(ctx, query, func(stmt driver.Stmt) error {
		rows, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
		if err != nil {
			return err
		}
		values := make([]driver.Value, len(rows.Columns()))
		for err == nil {
			if err = rows.Next(values); err == nil {
				err = row(values)
			}
		}
		return errors.Join(endOfRows(err), rows.Close())
	})
}

// with calls f with the prepared query. The errors of f are kept from
// database/sql: it would close the connection on driver.ErrBadConn and wait, for
// ever, for the transaction that is under way on it.
func (c *Conn) with(ctx context.Context, query string, f func(driver.Stmt) error) error {
	var err error
	raw := c.Raw(func(dc any) error {
		stmt := c.stmts[query]
		if stmt == nil {
			stmt, err = dc.(driver.ConnPrepareContext).PrepareContext(ctx, query)
			if err != nil {
				return nil
			}
			c.stmts[query] = stmt
		}
		err = f(stmt)
		return nil
	})
	if err == nil {
		err = raw
	}
	return err
}

// Close closes the statements and gives the connection back.
func (c *Conn) Close() error {
	_ = c.Raw(func(any) error {
		for _, stmt := range c.stmts {
			_ = stmt.Close()
		}
		return nil
	})
	clear(c.stmts)
	return c.Conn.Close()
}

// Discard closes the connection for good; its pool will not see it again. It
// waits for a transaction that database/sql is still rolling back, which happens
// where its context has ended.
func (c *Conn) Discard() {
	clear(c.stmts)
	_ = c.Raw(func(any) error { return driver.ErrBadConn })
	_ = c.Conn.Close()
}

// endOfRows takes the io.EOF that ends every answer.
func endOfRows(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Text is a text of an answer: a driver gives it as one or the other.
func Text(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}
