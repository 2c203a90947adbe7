package sinktest

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// timeLayout is that of a DATETIME(6) as text.
const timeLayout = "2006-01-02 15:04:05.999999"

// SQLRows is a Target's Rows for a table with the columns of this module's sinks.
// The times must come as text. db is the test's own.
func SQLRows(db *sql.DB, table string) func(context.Context) ([]engine.Message, error) {
	return func(ctx context.Context) ([]engine.Message, error) {
		rows, err := db.QueryContext(ctx, "SELECT id, seq, client, op, code, sent_at, received_at, remote, sender, data"+
			" FROM "+table+" ORDER BY id, seq, client")
		if err != nil {
			return nil, err
		}
		defer func() { _ = rows.Close() }()
		var all []engine.Message
		for rows.Next() {
			var m engine.Message
			var sent, received string
			err := rows.Scan(&m.ID, &m.Seq, &m.Client, &m.Op, &m.Code, &sent, &received, &m.Remote, &m.Sender, &m.Data)
			if err == nil {
				m.Time, err = parseTime(sent)
			}
			if err == nil {
				m.Received, err = parseTime(received)
			}
			if err != nil {
				return nil, err
			}
			all = append(all, m)
		}
		return all, rows.Err()
	}
}

// SQLStreams is a Target's Streams for a table with the columns of this module's
// sinks.
func SQLStreams(db *sql.DB, table string) func(context.Context) (map[string]Stream, error) {
	return func(ctx context.Context) (map[string]Stream, error) {
		rows, err := db.QueryContext(ctx, "SELECT id, status, messages, first_seq, last_seq, first_at, last_at,"+
			" ended_at, end_reason, end_code, end_data FROM "+table)
		if err != nil {
			return nil, err
		}
		defer func() { _ = rows.Close() }()
		all := make(map[string]Stream)
		for rows.Next() {
			id, s, err := scanStream(rows)
			if err != nil {
				return nil, fmt.Errorf("stream %q: %w", id, err)
			}
			all[id] = s
		}
		return all, rows.Err()
	}
}

func scanStream(rows *sql.Rows) (id string, s Stream, err error) {
	var status string
	var first, last, code sql.NullInt64
	var firstAt, lastAt, endedAt, reason, data sql.NullString
	err = rows.Scan(&id, &status, &s.Messages, &first, &last, &firstAt, &lastAt, &endedAt, &reason, &code, &data)
	if err != nil {
		return id, s, err
	}
	switch status {
	case "open":
	case "done":
		s.Done = true
	default:
		return id, s, fmt.Errorf("status is %q", status)
	}
	s.FirstSeq, s.LastSeq, s.Code = first.Int64, last.Int64, code.Int64
	s.Reason, s.Data = engine.EndReason(reason.String), data.String
	for _, t := range []struct {
		text sql.NullString
		time *time.Time
	}{{firstAt, &s.FirstAt}, {lastAt, &s.LastAt}, {endedAt, &s.EndedAt}} {
		if t.text.Valid {
			if *t.time, err = parseTime(t.text.String); err != nil {
				return id, s, err
			}
		}
	}
	return id, s, nil
}

func parseTime(text string) (time.Time, error) {
	return time.ParseInLocation(timeLayout, text, time.UTC)
}
