package ladder

import (
	"context"
	"errors"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// Rows are counted as what they are.
func TestCount(t *testing.T) {
	dsn := prepared(t)
	db := mariadbtest.DB(t, dsn)
	type row struct {
		id, client string
		number     int
	}
	steps := []struct {
		what string
		rows []row // written after those before
		sent int64 // in all
		want Counts
	}{
		{"nothing sent", nil, 0, Counts{}},
		{"all lost", nil, 2, Counts{Lost: 2}},
		{"two of three", []row{{"a", "", 1}, {"a", "", 3}}, 3, Counts{Stored: 2, Lost: 1}},
		{"the second is late", []row{{"a", "", 2}}, 3, Counts{Stored: 3, OutOfOrder: 1}},
		{"the first twice again", []row{{"a", "", 1}, {"a", "", 1}}, 3, Counts{Stored: 3, Doubled: 2, OutOfOrder: 1}},
		{"another id", []row{{"b", "", 1}, {"b", "", 2}}, 5, Counts{Stored: 5, Doubled: 2, OutOfOrder: 1}},
		{"another sender", []row{{"b", "x", 1}, {"b", "", 3}, {"b", "x", 2}}, 8, Counts{Stored: 8, Doubled: 2, OutOfOrder: 1}},
		{
			"three overtaken by one",
			[]row{{"c", "", 4}, {"c", "", 1}, {"c", "", 2}, {"c", "", 3}},
			12,
			Counts{Stored: 12, Doubled: 2, OutOfOrder: 2},
		},
	}
	for _, s := range steps {
		for _, r := range s.rows {
			_, err := db.ExecContext(t.Context(), "INSERT INTO messages VALUES"+
				" (?, UUID_SHORT(), ?, 'report', ?, NOW(), NOW(), '', '', '{}')", r.id, r.client, r.number)
			if err != nil {
				t.Fatal(err)
			}
		}
		if got, err := Count(t.Context(), dsn, s.sent); err != nil || got != s.want {
			t.Errorf("%s: %+v, %v; want %+v", s.what, got, err, s.want)
		}
	}
	if err := Prepare(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	if got, err := Count(t.Context(), dsn, 0); err != nil || got != (Counts{}) {
		t.Errorf("fresh tables have %+v, %v", got, err)
	}
}

// The errors of the database are told apart; what fails at the end is none.
func TestFailed(t *testing.T) {
	var c counts
	for _, err := range []error{
		nil, &driver.MySQLError{Number: 1213}, &driver.MySQLError{Number: 1205},
		&driver.MySQLError{Number: 1205}, &driver.MySQLError{Number: 1062}, errors.New("gone"), driver.ErrInvalidConn,
	} {
		c.failed(t.Context(), err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	c.failed(over, errors.New("interrupted"))
	if got := c.read("x"); got != (Counters{Design: "x", Deadlocks: 1, LockWaits: 2, Errors: 3}) {
		t.Errorf("%+v", got)
	}
}
