package mysql

import (
	"context"
	"crypto/tls"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"

	driver "github.com/go-sql-driver/mysql"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// tooBigError says that a statement of several rows was too big for the server,
// or for something on the way to it.
type tooBigError struct {
	rows  int
	limit int
	err   error
}

func (e *tooBigError) Error() string { return e.err.Error() }
func (e *tooBigError) Unwrap() error { return e.err }

func tooBig(size, packet int) error {
	return engine.Permanent(sink.WithCode(fmt.Errorf(
		"takes about %d bytes, and the server's max_allowed_packet is %d", size, packet), "1153"))
}

// number is the server's number of err; 0 where it did not come from there.
func number(err error) uint16 {
	var e *driver.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// code is the server's number of err as text; empty where it did not come from
// there.
func code(err error) string {
	switch n := number(err); {
	case n != 0:
		return strconv.Itoa(int(n))
	case packetTooBig(err): // said by the driver, in place of the server
		return "1153"
	}
	return ""
}

// permanent marks an error that refuses a message.
func permanent(err error) error { return engine.Permanent(sink.WithCode(err, code(err))) }

// refused tells whether err says that the row itself cannot be stored.
func refused(err error) bool {
	switch number(err) {
	case 1048, // column cannot be null
		1062,       // duplicate, in a key that is not ours
		1216, 1452, // foreign key
		1264, 1265, 1292, 1366, 1406, 1411, 1690, // the value does not fit the column
		1300, 3988, // not in the character set
		1644,             // a trigger says no
		3140, 3819, 4025: // not JSON, or another CHECK
		return true
	}
	return false
}

// packetTooBig tells whether err says that the statement is larger than somebody
// allows.
func packetTooBig(err error) bool {
	switch number(err) {
	case 1153, 1301, 1390:
		return true
	case 1105:
		text := err.Error()
		return strings.Contains(text, "max_allowed_packet") || strings.Contains(text, "max_long_data_size")
	}
	return errors.Is(err, driver.ErrPktTooLarge)
}

// blocked tells whether err says that nothing can be stored until an operator
// acts.
func blocked(err error) bool {
	switch number(err) {
	case 1044, 1045, 1049, 1130, 1142, 1143, 1227, 1698, 1820, 1862, 3118, 4151, // no access
		1046, 1054, 1136, 1146, 1364, 1356, // the tables are not what they should be
		1064, 1251, 1524, 1665: // the server does not understand
		return true
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return true
	}
	for _, e := range []error{
		driver.ErrNoTLS, driver.ErrCleartextPassword, driver.ErrNativePassword,
		driver.ErrOldPassword, driver.ErrUnknownPlugin, driver.ErrOldProtocol,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// rolledBack tells whether the server has rolled back the whole transaction after
// err: always after a deadlock, and after other conflicts where it is set so.
func rolledBack(err error) bool {
	switch number(err) {
	case 1180, 1205, 1213, 1614:
		return true
	}
	return lost(err)
}

// implicitCommits are the words with which statements begin that commit.
var implicitCommits = []string{
	"ALTER", "ANALYZE", "CREATE", "DROP", "FLUSH", "GRANT", "INSTALL", "LOCK", "OPTIMIZE", "RENAME",
	"REPAIR", "REVOKE", "TRUNCATE", "UNINSTALL", "UNLOCK", "XA",
}

// lost tells whether the connection is of no use after err. After an error of the
// server it is, but for those with which the server goes away.
func lost(err error) bool {
	if errors.Is(err, sink.ErrLost) || packetTooBig(err) {
		return true
	}
	switch n := number(err); n {
	case 0:
	case 1053, 1152, 1159, 1160, 1161, 1317, 1927, 2006, 2013, 3169, 4031:
		return true
	default:
		return false
	}
	var network net.Error
	for _, e := range []error{
		sqldriver.ErrBadConn, sql.ErrConnDone, driver.ErrInvalidConn, driver.ErrMalformPkt,
		driver.ErrPktSync, driver.ErrBusyBuffer, io.EOF, io.ErrUnexpectedEOF,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.As(err, &network)
}

// classify gives err the mark by which the engine knows what to do: permanent,
// blocked, or none, for what passes. The last holds for lost connections, for
// commits of which nobody knows whether they happened, for deadlocks and lock
// waits, for a server that is full, read-only or busy, and for what is not known.
// A packet is too big here only where it is a host program's, in Apply: the sink's
// own are split before.
func classify(ctx context.Context, err error) error {
	switch {
	case err == nil || engine.IsPermanent(err) || engine.IsBlocked(err):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	case refused(err) || packetTooBig(err):
		return permanent(err)
	case blocked(err):
		return engine.Blocked(err)
	}
	return err
}

var atRow = regexp.MustCompile(`at row (\d+)$`)

// rowNumber is the row of the statement, from 1, which the server says is bad; 0
// where it does not say.
func rowNumber(err error) int {
	var e *driver.MySQLError
	if !errors.As(err, &e) {
		return 0
	}
	m := atRow.FindStringSubmatch(e.Message)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}
