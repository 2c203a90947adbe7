package sink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Reader is a sink that can show what it has stored of a stream. Both SQL sinks
// are.
//
// Read gives the row of the stream and its messages with the highest numbers, last
// of them at most, the highest first: the newest, unless several clients number
// their own. It gives fewer where these are more than [MaxRead] messages or
// [MaxReadBytes] of data, but at least one. The id is compared byte by byte. A
// stream that nothing is stored of is no error.
//
// It is safe for concurrent use, and beside Write, which it never makes wait; it
// returns soon after ctx ends. After Close it returns an error.
type Reader interface {
	Read(ctx context.Context, id string, last int) (Stored, error)
}

// What one Read gives at most.
const (
	MaxRead      = 1000
	MaxReadBytes = 16 << 20
)

// Stored is what a sink has of a stream.
type Stored struct {
	Stream   *StreamRow // nil: there is no row
	Messages []StoredMessage
}

// StreamRow is the row of a stream. What is not there is zero.
type StreamRow struct {
	ID        string
	Status    string // open or done
	Messages  int64
	FirstSeq  int64
	LastSeq   int64
	FirstAt   time.Time
	LastAt    time.Time
	EndedAt   time.Time
	EndReason string
	EndCode   int64
	EndData   string
}

// StoredMessage is the row of a message.
type StoredMessage struct {
	ID         string
	Seq        int64
	Client     string
	Op         string
	Code       int64
	SentAt     time.Time
	ReceivedAt time.Time
	Remote     string
	Sender     string
	Data       string
}

// Pool are the connections of a sink to its database that write.
type Pool struct {
	Open   int    // now
	InUse  int    // by a Write
	Max    int    // as many as there may be
	Opened uint64 // since the sink was opened
	Failed uint64 // that could not be opened
}

// ReadWith is Reader.Read by two queries, on one snapshot of db where it gives one:
// streams, with the StreamColumns of the id that is its argument, empty for none;
// and messages, with the MessageColumns, whose arguments are the id and how many.
// Times come as text.
func ReadWith(ctx context.Context, db *sql.DB, streams, messages, id string, last int) (Stored, error) {
	var stored Stored
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return stored, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	if streams != "" {
		if stored.Stream, err = readStream(tx.QueryRowContext(ctx, streams, id)); err != nil {
			return stored, fmt.Errorf("read the stream: %w", err)
		}
	}
	if stored.Messages, err = readMessages(ctx, tx, messages, id, max(0, min(last, MaxRead))); err != nil {
		return stored, fmt.Errorf("read the messages: %w", err)
	}
	return stored, nil
}

func readStream(row *sql.Row) (*StreamRow, error) {
	var s StreamRow
	var firstSeq, lastSeq, endCode sql.NullInt64
	var firstAt, lastAt, endedAt, reason, data sql.NullString
	err := row.Scan(&s.ID, &s.Status, &s.Messages, &firstSeq, &lastSeq, &firstAt, &lastAt, &endedAt, &reason, &endCode, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s.FirstSeq, s.LastSeq, s.EndCode = firstSeq.Int64, lastSeq.Int64, endCode.Int64
	s.EndReason, s.EndData = reason.String, data.String
	s.FirstAt, err = readTime(firstAt.String, err)
	s.LastAt, err = readTime(lastAt.String, err)
	s.EndedAt, err = readTime(endedAt.String, err)
	return &s, err
}

func readMessages(ctx context.Context, tx *sql.Tx, query, id string, last int) ([]StoredMessage, error) {
	rows, err := tx.QueryContext(ctx, query, id, last)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []StoredMessage
	bytes := 0
	for rows.Next() {
		var m StoredMessage
		var sent, received string
		err := rows.Scan(&m.ID, &m.Seq, &m.Client, &m.Op, &m.Code, &sent, &received, &m.Remote, &m.Sender, &m.Data)
		m.SentAt, err = readTime(sent, err)
		m.ReceivedAt, err = readTime(received, err)
		if err != nil {
			return nil, err
		}
		if bytes += len(m.Data); bytes > MaxReadBytes && len(all) > 0 {
			break
		}
		all = append(all, m)
	}
	return all, rows.Err()
}

// readTime reads a time that is stored; the zero one, where there is none, or where
// an error came before.
func readTime(text string, err error) (time.Time, error) {
	if text == "" || err != nil {
		return time.Time{}, err
	}
	return time.ParseInLocation("2006-01-02 15:04:05.999999", text, time.UTC)
}
