package sqlite

import (
	"errors"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// Config says where the database is. Start from [DefaultConfig].
type Config struct {
	// Path is the file of the database, made when it is missing; its directory
	// is not. Beside it lie PATH-wal and PATH-shm while it is open. It is a plain
	// path: no URI, and not ":memory:".
	Path string `hcl:"path,optional"`

	// Apply, where it is not nil, changes rows of the host program's own, in
	// tables of the same database, in the transaction of each Write.
	Apply sink.Apply `hcl:"-"`
}

// DefaultConfig is that of an empty config.hcl.
func DefaultConfig() Config { return Config{Path: "ingest.db"} }

// Validate reports every fault at once, each as an [engine.OptionError], joined.
func (c Config) Validate() error {
	var errs []error
	fault := func(problem string) {
		errs = append(errs, &engine.OptionError{Option: "path", Problem: problem})
	}
	switch {
	case c.Path == "":
		fault("must name a file")
	case strings.HasPrefix(c.Path, ":memory:"):
		fault("must name a file: a database in memory keeps nothing")
	case strings.HasPrefix(c.Path, "file:"):
		fault("must be a plain path, not a file: URI")
	case strings.ContainsRune(c.Path, 0):
		fault("must not contain a NUL")
	case strings.HasSuffix(c.Path, "/"):
		fault("must name a file, not a directory")
	}
	return errors.Join(errs...)
}

// journalLimit is to how many bytes the file of the log is cut, 96 MiB, when a
// reader had let it grow.
const journalLimit = 100_663_296

// dsn is the absolute path as the driver takes it, whatever characters are in it, with
// the settings of every connection. synchronous=FULL: a commit is on disk.
// immediate: a transaction takes the write lock as it begins, and waits for it;
// one that finds out later that it needs the lock fails at once. The checkpoint of
// a commit is for what [checkpoints] could not do.
func dsn(abs string) string {
	query := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {
			"busy_timeout(5000)",
			"journal_mode(WAL)",
			"synchronous(FULL)",
			"wal_autocheckpoint(" + strconv.Itoa(fullPages) + ")",
			"journal_size_limit(" + strconv.Itoa(journalLimit) + ")",
			"cache_size(-16384)",
			"temp_store(MEMORY)",
		},
	}
	uri := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: query.Encode()}
	return uri.String()
}
