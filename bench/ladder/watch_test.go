package ladder

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// Watch ends when all is stored, when nothing more comes, and with its context.
func TestWatch(t *testing.T) {
	dsn := prepared(t)
	db := mariadbtest.DB(t, dsn)
	execute := func(query string) {
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	execute("INSERT INTO streams (id, status, messages) VALUES ('a', 'open', 3), ('b', 'open', 4)")
	if samples, err := Watch(t.Context(), dsn, 7, time.Nanosecond); err != nil || len(samples) != 1 {
		t.Errorf("without messages: %v, %v", samples, err)
	}
	if ok, err := done(t.Context(), db, Sample{Stored: 7}, 7); ok || err != nil {
		t.Errorf("without messages: %v, %v", ok, err)
	}
	for range 7 {
		execute("INSERT INTO messages VALUES ('a', UUID_SHORT(), '', 'report', 1, NOW(), NOW(), '', '', '{}')")
	}
	for name, sent := range map[string]int64{"all is stored": 7, "no more comes": 8} {
		still := time.Hour
		if sent > 7 {
			still = time.Nanosecond
		}
		samples, err := Watch(t.Context(), dsn, sent, still)
		if err != nil || len(samples) != 1 || samples[0].Stored != 7 {
			t.Errorf("%s: %v, %v", name, samples, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Watch(ctx, dsn, 8, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
}

func TestRate(t *testing.T) {
	begin := time.Now()
	at := func(second float64, stored int64) Sample {
		return Sample{At: begin.Add(time.Duration(second * float64(time.Second))), Stored: stored}
	}
	for _, c := range []struct {
		what    string
		samples []Sample
		want    float64
	}{
		{"none", nil, 0},
		{"one", []Sample{at(0, 5)}, 0},
		{"only the ends", []Sample{at(0, 0), at(1, 1000)}, 0},
		{
			"a slow start and a late rest",
			[]Sample{at(0, 0), at(5, 100), at(6, 400), at(7, 900), at(17, 1000)},
			400,
		},
		{"a table that was not empty", []Sample{at(0, 5000), at(1, 5200), at(2, 5700), at(3, 6000)}, 500},
	} {
		if got := Rate(c.samples); got != c.want {
			t.Errorf("%s: %v instead of %v", c.what, got, c.want)
		}
	}
}
