package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// mustExec cleans up, after the test's context has ended.
func mustExec(db *sql.DB, query string) {
	if _, err := db.ExecContext(context.Background(), query); err != nil {
		panic(err)
	}
}

// rejected fails unless err is the Reject of message j of batch i.
func rejected(t testing.TB, err error, i, j int) {
	t.Helper()
	var reject *engine.RejectError
	if !errors.As(err, &reject) || reject.Batch != i || reject.Message != j {
		t.Fatalf("is no Reject(%d, %d): %v", i, j, err)
	}
}

// without removes what was rejected.
func without(b engine.Batch, j int) engine.Batch {
	b.Messages = append(b.Messages[:j:j], b.Messages[j+1:]...)
	return b
}

// A row that the server refuses is named, wherever it stands, and the others are
// stored.
func TestPoison(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	s, db := opened(t, config(dsn)), mariadbtest.DB(t, dsn)
	exec(t, db, "ALTER TABLE messages MODIFY code TINYINT NOT NULL, ADD UNIQUE KEY (sender, seq)")
	group := []engine.Batch{batch("a", 1, 40), batch("b", 101, 140), batch("c", 201, 400)}
	for i := range group {
		for j := range group[i].Messages {
			group[i].Messages[j].Sender = fmt.Sprint(i)
		}
	}
	// Out of order, so that the row of the statement is not that of the batch.
	m := group[1].Messages
	m[3], m[30] = m[30], m[3]
	m[30].Code = 999                              // 1264
	m[35].Op = strings.Repeat("x", 300)           // 1406
	m[37].Sender, m[37].Data = "0", []byte(`"x"`) // another unique key: 1062 elsewhere
	m[37].Seq = 7
	group[2].Messages[199].Remote = strings.Repeat("x", 300)
	for _, want := range []struct{ i, j int }{{1, 30}, {1, 34}, {1, 35}, {2, 199}} {
		_, err := s.Write(t.Context(), group)
		rejected(t, err, want.i, want.j)
		group[want.i] = without(group[want.i], want.j)
	}
	write(t, s, group...)
	if n := count(t, db, "SELECT COUNT(*) FROM messages"); n != 40+37+199 {
		t.Errorf("%d rows", n)
	}
	if n := count(t, db, "SELECT SUM(messages) FROM streams"); n != 40+37+199 {
		t.Errorf("%d messages are counted", n)
	}
}

// A Done that cannot be kept is named as such.
func TestPoisonFinal(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	s, db := opened(t, config(dsn)), mariadbtest.DB(t, dsn)
	exec(t, db, "ALTER TABLE streams MODIFY end_code TINYINT")
	group := []engine.Batch{batch("a", 1, 3), batch("b", 1, 3), batch("c", 1, 3)}
	for i := range group {
		group[i].End, group[i].Final = engine.EndOp, &engine.Message{Kind: engine.Done}
	}
	group[1].Final.Code = 999
	_, err := s.Write(t.Context(), group)
	rejected(t, err, 1, 3)
}

// What is too big for the server is sent in parts; a message that is too big by
// itself is refused, at once and with a reason.
func TestPacket(t *testing.T) {
	server := mariadbtest.Shared(t)
	dsn := server.DSN(t)
	admin := mariadbtest.DB(t, server.Admin())
	exec(t, admin, "SET GLOBAL max_allowed_packet = 1048576")
	t.Cleanup(func() { mustExec(admin, "SET GLOBAL max_allowed_packet = DEFAULT") })
	s, db := opened(t, config(dsn)), mariadbtest.DB(t, dsn)
	text := func(n int) []byte { return []byte(`"` + strings.Repeat("x", n-2) + `"`) }
	b := batch("a", 1, 300)
	for j := range b.Messages {
		b.Messages[j].Data = text(10 << 10)
	}
	b.Messages[100].Data = text(1<<20 - 512) // just fits
	b.Messages[200].Data = text(1 << 20)     // does not
	b.Messages[201].Data = text(3 << 20)
	for range 2 {
		_, err := s.Write(t.Context(), []engine.Batch{b})
		rejected(t, err, 0, 200)
		if !strings.Contains(err.Error(), "max_allowed_packet is 1048576") {
			t.Errorf("does not say why: %v", err)
		}
		b = without(b, 200)
	}
	write(t, s, b)
	if n := count(t, db, "SELECT messages FROM streams"); n != 298 {
		t.Errorf("%d messages, not 298", n)
	}

	// So is the data of a Done.
	end := engine.Batch{ID: "a", End: engine.EndOp, Final: &engine.Message{Kind: engine.Done, Data: text(1 << 20)}}
	_, err := s.Write(t.Context(), []engine.Batch{end})
	rejected(t, err, 0, 0)
}

// Something on the way may allow less than the server says. Here it is the
// driver, by its own setting.
func TestPacketOnTheWay(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	s := opened(t, config(with(t, dsn, func(cfg *driver.Config) { cfg.MaxAllowedPacket = 64 << 10 })))
	b := batch("a", 1, 1000)
	for j := range b.Messages {
		b.Messages[j].Data = []byte(`"` + strings.Repeat("x", 300) + `"`)
	}
	write(t, s, b)
	if n := count(t, mariadbtest.DB(t, dsn), "SELECT messages FROM streams"); n != 1000 {
		t.Errorf("%d messages, not 1000", n)
	}
}

// A lock that somebody keeps is waited for, then it is a transient error; nothing
// of the Write stays.
func TestLockWait(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	c := config(with(t, dsn, func(cfg *driver.Config) { cfg.Params = map[string]string{"innodb_lock_wait_timeout": "1"} }))
	s, db := opened(t, c), mariadbtest.DB(t, dsn)
	write(t, s, batch("b", 1, 3))
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("UPDATE streams SET messages = messages WHERE id = 'b'"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Write(t.Context(), []engine.Batch{batch("a", 1, 3), batch("b", 4, 6)})
	transient(t, err)
	if !strings.Contains(err.Error(), "1205") {
		t.Errorf("is no lock wait: %v", err)
	}
	if n := count(t, db, "SELECT COUNT(*) FROM messages"); n != 3 {
		t.Errorf("%d rows, not 3: the rest was not rolled back", n)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	write(t, s, batch("a", 1, 3), batch("b", 4, 6))
}

// A client that asks the same a hundred times in a group costs one query, not a
// hundred, for which everybody else would wait.
func TestRepeatedQuestions(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	s, db := opened(t, config(dsn)), mariadbtest.DB(t, dsn)
	var group []engine.Batch
	for range 100 {
		group = append(group,
			engine.Batch{ID: "17", End: engine.EndOp, Final: &engine.Message{Kind: engine.Done, ID: "17"}},
			engine.Batch{ID: "17", Resume: "phone-7"})
	}
	group[0].Messages = batch("17", 1, 3).Messages
	executed := func() (n int) {
		t.Helper()
		var name string
		if err := db.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'").Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := executed()
	results := write(t, s, group...)
	if n := executed() - before; n > 20 {
		t.Errorf("%d statements for one stream", n)
	}
	for i, r := range results {
		if i%2 == 0 && r.Rows != 3 || i%2 == 1 && r.LastSeq != 3 {
			t.Errorf("result %d is %+v", i, r)
		}
	}
}
