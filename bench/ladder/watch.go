package ladder

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Sample is how many messages the streams had at a time.
type Sample struct {
	At     time.Time
	Stored int64
}

// Still is how long nothing must have been stored for it to be sure that no more
// comes: more than what collects messages waits for them.
const Still = 15 * time.Second

const (
	// lookEvery is the time between two samples: rare enough to cost nothing.
	lookEvery = 200 * time.Millisecond
	// leftOut is the part of the messages, at both ends, that does not count
	// towards a rate.
	leftOut = 0.1
)

// Watch takes samples until all that was sent is stored, or no more has been for
// the time of still; it begins when the load does. The last sample is the first
// with its number of messages: it says when the storing ended.
func Watch(ctx context.Context, dsn string, sent int64, still time.Duration) ([]Sample, error) {
	db, err := openDB(dsn)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var samples []Sample
	for {
		now, err := sample(ctx, db)
		if err != nil {
			return samples, err
		}
		if n := len(samples); n == 0 || now.Stored > samples[n-1].Stored {
			samples = append(samples, now)
		}
		all, err := done(ctx, db, now, sent)
		if err != nil {
			return samples, err
		}
		if all || now.At.Sub(samples[len(samples)-1].At) >= still {
			return samples, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return samples, ctx.Err()
		}
	}
}

// sample counts by the rows of the streams, which are fewer.
func sample(ctx context.Context, db *sql.DB) (Sample, error) {
	s := Sample{At: time.Now()}
	err := db.QueryRowContext(ctx, "SELECT COALESCE(SUM(messages), 0) FROM streams").Scan(&s.Stored)
	if err != nil {
		return s, fmt.Errorf("count messages: %w", err)
	}
	return s, nil
}

// done tells whether all is stored: in both tables, where the design has no
// transaction.
func done(ctx context.Context, db *sql.DB, now Sample, sent int64) (bool, error) {
	if now.Stored < sent {
		return false, nil
	}
	var rows int64
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM messages").Scan(&rows); err != nil {
		return false, fmt.Errorf("count messages: %w", err)
	}
	return rows >= sent, nil
}

// Rate is how many messages a second were stored, without the first tenth, when
// the tables were empty and the load began, and the last, which may have waited
// for its batch to be old. 0: too few samples.
func Rate(samples []Sample) float64 {
	if len(samples) == 0 {
		return 0
	}
	first, last := samples[0].Stored, samples[len(samples)-1].Stored
	edge := int64(leftOut * float64(last-first))
	var from, to *Sample
	for i := range samples {
		switch s := &samples[i]; {
		case s.Stored < first+edge:
		case from == nil:
			from = s
		case s.Stored <= last-edge:
			to = s
		}
	}
	if to == nil {
		return 0
	}
	return float64(to.Stored-from.Stored) / to.At.Sub(from.At).Seconds()
}
