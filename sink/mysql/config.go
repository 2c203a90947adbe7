package mysql

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	driver "github.com/go-sql-driver/mysql"
	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/liblog"
	"github.com/ingestd/ingestd/sink"
)

// Config says which database to write, and how. Start from [DefaultConfig].
type Config struct {
	// DSN is where the database is: user:password@tcp(host:3306)/database. Its
	// timeouts are 5 s to connect and 30 s to read and write, unless it says
	// otherwise.
	DSN engine.Secret `hcl:"dsn"`

	// CreateTables makes the tables where they are missing and brings older ones
	// up to date. Otherwise they are only checked.
	CreateTables bool `hcl:"create_tables,optional"`

	// MessagesTable and StreamsTable name the tables. An empty StreamsTable keeps
	// no rows of streams.
	MessagesTable string `hcl:"messages_table,optional"`
	StreamsTable  string `hcl:"streams_table,optional"`

	// Writers is how many connections write.
	Writers int `hcl:"writers,optional"`

	// Apply, where it is not nil, changes rows of the host program's own in the
	// transaction of each Write. Statements that end a transaction in MySQL, such
	// as CREATE TABLE, are refused there.
	Apply sink.Apply `hcl:"-"`
}

// DefaultConfig is that of a sink block with nothing but a dsn.
func DefaultConfig() Config {
	return Config{CreateTables: true, MessagesTable: "messages", StreamsTable: "streams", Writers: 2}
}

const metaTable = "ingest_meta"

// Validate reports every fault at once, each as an [engine.OptionError], joined.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, option, format string, args ...any) {
		if !ok {
			errs = append(errs, &engine.OptionError{Option: option, Problem: fmt.Sprintf(format, args...)})
		}
	}
	for _, problem := range checkDSN(string(c.DSN)) {
		check(false, "dsn", "%s", problem)
	}
	check(c.MessagesTable != "", "messages_table", "must name a table")
	check(c.MessagesTable == "" || validName(c.MessagesTable), "messages_table", "is no name of a table: %q", c.MessagesTable)
	check(validName(c.StreamsTable), "streams_table", "is no name of a table: %q", c.StreamsTable)
	check(!strings.EqualFold(c.MessagesTable, metaTable), "messages_table", "must not be %s", metaTable)
	check(!strings.EqualFold(c.StreamsTable, metaTable), "streams_table", "must not be %s", metaTable)
	check(c.MessagesTable == "" || !strings.EqualFold(c.MessagesTable, c.StreamsTable),
		"streams_table", "must not be the messages_table")
	check(c.Writers >= 1 && c.Writers <= 64, "writers", "must be 1 to 64, not %d", c.Writers)
	return errors.Join(errs...)
}

func validName(name string) bool {
	return utf8.ValidString(name) && utf8.RuneCountInString(name) <= 64 &&
		!strings.HasSuffix(name, " ") && !strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsControl(r) || r > 0xffff
	})
}

// checkDSN says what is wrong with a DSN, without showing any of it: the driver
// quotes what it could not read, and that may be the password.
func checkDSN(dsn string) []string {
	if dsn == "" {
		return []string{"must be set, as user:password@tcp(host:3306)/database"}
	}
	cfg, err := driver.ParseDSN(dsn)
	if err != nil {
		return []string{"cannot be read; it must be like user:password@tcp(host:3306)/database?param=value"}
	}
	var problems []string
	if cfg.DBName == "" {
		problems = append(problems, "names no database; it must be like user:password@tcp(host:3306)/database")
	}
	if cfg.ClientFoundRows {
		problems = append(problems, "must not set clientFoundRows: new rows could not be told from old ones")
	}
	if cfg.MultiStatements {
		problems = append(problems, "must not set multiStatements: nothing here needs it, and it helps injections")
	}
	return problems
}

// session are the settings of every connection, whatever the server's are. The
// values are SQL.
var session = map[string]string{
	"time_zone": "'+00:00'",
	"sql_mode": "'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE," +
		"ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
}

// limits are settings that the DSN may change, in seconds. A lock that somebody
// keeps is waited for less long than for an answer, so that it is an error of the
// statement, not the end of the connection. And a server that has not noticed
// that a connection is gone keeps the locks of its transaction no longer than
// wait_timeout, in which the same messages cannot be written again; a connection
// that is ended after so long without work is exchanged, and nobody notices.
var limits = map[string]string{
	"innodb_lock_wait_timeout": "10",
	"wait_timeout":             "60",
}

// idleLimit is the setting of MariaDB, in seconds, after which it ends a transaction
// that has written something and waits for its next statement: the process is frozen,
// or the network is gone. Another process that writes the same streams then waits for
// no more than that, less than for a lock, and less than the time after which the
// partitions of a dead reader are taken over. MySQL has no such setting.
//
// What Config.Apply does between its statements counts, too, and may take longer: then
// there is none, unless the DSN has it.
const (
	idleLimit   = "idle_write_transaction_timeout"
	idleSeconds = 5

	unknownVariable = 1193 // the number of the error of a server that does not have it
)

// driverConfig is the DSN as the driver gets it.
func (c Config) driverConfig(log hclog.Logger) (*driver.Config, error) {
	cfg, err := driver.ParseDSN(string(c.DSN))
	if err != nil {
		return nil, &engine.OptionError{Option: "dsn", Problem: "cannot be read"}
	}
	orDefault := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	orDefault(&cfg.Timeout, 5*time.Second)
	orDefault(&cfg.ReadTimeout, 30*time.Second)
	orDefault(&cfg.WriteTimeout, 30*time.Second)
	cfg.Loc = time.UTC
	cfg.ParseTime = false
	cfg.InterpolateParams = false
	cfg.RejectReadOnly = true
	cfg.Collation = ""
	cfg.Logger = liblog.New(log)
	if cfg.Params == nil {
		cfg.Params = make(map[string]string)
	}
	for name, value := range limits {
		if _, ok := cfg.Params[name]; !ok {
			cfg.Params[name] = value
		}
	}
	for name, value := range session {
		cfg.Params[name] = value
	}
	return cfg, cfg.Apply(driver.Charset("utf8mb4", ""))
}
