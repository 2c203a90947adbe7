package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/ingestd/ingestd/engine"
)

// tables are those that the program has had all along, in one of two dialects. It
// needs no number of a report in them, nor any other key against duplicates.
type tables struct {
	driver    string
	schema    []string
	addReport string
	addCase   string // adds to the row of the case, or makes it
}

var inSQLite = tables{
	driver: "sqlite",
	schema: []string{
		`CREATE TABLE IF NOT EXISTS case_reports (
			report_id   INTEGER PRIMARY KEY AUTOINCREMENT,
			case_id     INTEGER NOT NULL,
			conn_ip     TEXT    NOT NULL,
			code        INTEGER NOT NULL,
			reported_at TEXT    NOT NULL
		)`,
		`CREATE TABLE IF NOT EXISTS cases (
			case_id  INTEGER PRIMARY KEY,
			reports  INTEGER NOT NULL,
			failed   INTEGER NOT NULL CHECK (failed <= reports),
			last_ip  TEXT,
			finished INTEGER NOT NULL
		)`,
	},
	addReport: "INSERT INTO case_reports (case_id, conn_ip, code, reported_at) VALUES (?, ?, ?, ?)",
	addCase: "INSERT INTO cases (case_id, reports, failed, last_ip, finished) VALUES (?, ?, ?, ?, ?)" +
		" ON CONFLICT (case_id) DO UPDATE SET reports = reports + excluded.reports, failed = failed + excluded.failed," +
		" last_ip = coalesce(excluded.last_ip, last_ip), finished = excluded.finished",
}

var inMySQL = tables{
	driver: "mysql",
	schema: []string{
		`CREATE TABLE IF NOT EXISTS case_reports (
			report_id   BIGINT      NOT NULL AUTO_INCREMENT PRIMARY KEY,
			case_id     BIGINT      NOT NULL,
			conn_ip     VARCHAR(45) NOT NULL,
			code        INT         NOT NULL,
			reported_at DATETIME(6) NOT NULL,
			KEY (case_id)
		) ENGINE = InnoDB`,
		`CREATE TABLE IF NOT EXISTS cases (
			case_id  BIGINT      NOT NULL PRIMARY KEY,
			reports  BIGINT      NOT NULL,
			failed   BIGINT      NOT NULL,
			last_ip  VARCHAR(45) NULL,
			finished TINYINT     NOT NULL
		) ENGINE = InnoDB`,
	},
	addReport: "INSERT INTO case_reports (case_id, conn_ip, code, reported_at) VALUES (?, ?, ?, ?)",
	addCase: "INSERT INTO cases (case_id, reports, failed, last_ip, finished) VALUES (?, ?, ?, ?, ?)" +
		" ON DUPLICATE KEY UPDATE reports = reports + VALUES(reports), failed = failed + VALUES(failed)," +
		" last_ip = COALESCE(VALUES(last_ip), last_ip), finished = VALUES(finished)",
}

// create makes the tables where they are missing, which spares who tries this
// program to do so.
func (t *tables) create(ctx context.Context, place string) error {
	db, err := sql.Open(t.driver, place)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, statement := range t.schema {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make tables: %w", err)
		}
	}
	return nil
}

// report is the data of a message.
type report struct {
	ConnIP netip.Addr `json:"conn_ip"`
	ID     int64      `json:"id"`
}

// read says what is wrong with a message: it cannot become a row.
func read(m *engine.Message) (r report, caseID int64, err error) {
	if caseID, err = strconv.ParseInt(m.ID, 10, 64); err != nil {
		return r, 0, fmt.Errorf("the id of a case is a number: %w", err)
	}
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return r, 0, fmt.Errorf("data: %w", err)
	}
	switch {
	case !r.ConnIP.IsValid():
		return r, 0, errors.New("data has no conn_ip")
	case r.ID != caseID:
		return r, 0, fmt.Errorf("data is about the case %d", r.ID)
	}
	return r, caseID, nil
}

// apply changes the tables for the reports that are new. It runs in the transaction
// that stores them: see sink.Apply.
func (t *tables) apply(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
	add, err := tx.PrepareContext(ctx, t.addReport)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	defer func() { _ = add.Close() }()
	for i := range fresh {
		b := &fresh[i]
		var failed int
		var lastIP sql.NullString
		for j := range b.Messages {
			m := &b.Messages[j]
			r, caseID, err := read(m)
			if err != nil {
				return engine.Reject(i, j, err) // this one never; the others again
			}
			ip, at := r.ConnIP.String(), m.Time.UTC().Format("2006-01-02 15:04:05.000000")
			if _, err := add.ExecContext(ctx, caseID, ip, m.Code, at); err != nil {
				return fmt.Errorf("add a report: %w", err)
			}
			if m.Code != 0 {
				failed++
			}
			lastIP = sql.NullString{String: ip, Valid: true}
		}
		// One change of the row of a case, not one for each report.
		if _, err := tx.ExecContext(ctx, t.addCase, b.ID, len(b.Messages), failed, lastIP, b.End != ""); err != nil {
			return fmt.Errorf("add to a case: %w", err)
		}
	}
	return nil
}
