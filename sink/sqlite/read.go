package sqlite

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"strings"

	driver "modernc.org/sqlite"

	"github.com/ingestd/ingestd/sink"
)

var _ sink.Reader = (*Sink)(nil)

// maxReaders is how many connections read at once; more Reads wait.
const maxReaders = 2

var (
	readStream = "SELECT " + strings.Join(sink.StreamColumns, ", ") +
		" FROM streams WHERE id = ?"
	readMessages = "SELECT " + strings.Join(sink.MessageColumns, ", ") +
		" FROM messages WHERE id = ? ORDER BY seq DESC, client DESC LIMIT ?"
)

// openReads makes the connections that read, when they are needed. They write
// nothing, and make no database where there is none any more.
func openReads(abs string) (*sql.DB, error) {
	query := url.Values{
		"mode":    {"rw"},
		"_pragma": {"busy_timeout(5000)", "query_only(1)", "cache_size(-2048)"},
	}
	uri := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: query.Encode()}
	connector, err := driver.NewConnector(uri.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(maxReaders)
	db.SetMaxIdleConns(1)
	return db, nil
}

// Read gives what is stored of a stream, see [sink.Reader].
func (s *Sink) Read(ctx context.Context, id string, last int) (sink.Stored, error) {
	if err := s.checkFile(); err != nil {
		return sink.Stored{}, err
	}
	stored, err := sink.ReadWith(ctx, s.reads, readStream, readMessages, id, last)
	return stored, classify(ctx, err)
}
