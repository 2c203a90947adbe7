package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingestd/ingestd/client"
)

// The processes of the cluster are this program, started again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "node" || os.Args[1] == "daemon") {
		main()
	}
	os.Exit(m.Run())
}

// The whole story, told fast.
func TestRun(t *testing.T) {
	v, err := run(t.Context(), 5*time.Second)
	if err != nil || !v.clean() || v.acked < 1000 || v.stored < v.acked {
		t.Errorf("%+v, %v", v, err)
	}
}

// Whatever is wrong with the table is found.
func TestJudge(t *testing.T) {
	db, err := openTable(filepath.Join(t.TempDir(), "ingest.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1) // which has the savepoint
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE messages (id TEXT, client TEXT, seq INTEGER, data TEXT)")
	c, err := client.Dial(t.Context(), "ws://127.0.0.1:1/ws", client.Options{Name: "c", Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	all := clients{{client: c, cancel: func() {}, sent: map[string]int64{"a": 4}, acked: map[string]int64{"a": 3}}}
	defer all.abort()
	for n := range int64(4) {
		exec("INSERT INTO messages VALUES ('a', 'c', ?, ?)", n+1, string(payload("c", "a", n+1)))
	}
	base := verdict{sent: 4, acked: 3, stored: 4}
	for _, c := range []struct {
		what  string
		query string
		is    func(v *verdict)
	}{
		{"nothing", "SELECT 1", func(*verdict) {}},
		{"one is lost", "DELETE FROM messages WHERE seq = 3", func(v *verdict) { v.stored, v.lost = 3, 1 }},
		{"one that was not acked is not there", "DELETE FROM messages WHERE seq = 4", func(v *verdict) { v.stored = 3 }},
		{"one is twice there", "INSERT INTO messages SELECT id, client, 5, data FROM messages WHERE seq = 2", func(v *verdict) { v.doubled = 1 }},
		{"one is another", `UPDATE messages SET data = '{}' WHERE seq = 4`, func(v *verdict) { v.stored, v.altered = 3, 1 }},
		{"a stranger's", "INSERT INTO messages VALUES ('a', 'x', 1, '')", func(v *verdict) { v.altered = 1 }},
	} {
		t.Run(c.what, func(t *testing.T) {
			exec("SAVEPOINT before")
			defer exec("ROLLBACK TO before")
			exec(c.query)
			should := base
			c.is(&should)
			v, err := judge(t.Context(), db, all)
			if err != nil || v != should {
				t.Errorf("the verdict is %+v, %v", v, err)
			}
			if good := should == base || should.lost+should.doubled+should.altered == 0; v.clean() != good {
				t.Errorf("is clean: %v", v.clean())
			}
		})
	}
}

// A message that is there without the one before it is seen while the table grows.
func TestWatch(t *testing.T) {
	db, err := openTable(filepath.Join(t.TempDir(), "ingest.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, query := range []string{
		"CREATE TABLE messages (id TEXT, client TEXT, seq INTEGER)",
		"INSERT INTO messages VALUES ('a', 'c', 1), ('a', 'd', 1), ('b', 'c', 1), ('b', 'c', 2)",
	} {
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	look := func() int64 {
		n, err := count(t.Context(), db, gaps)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := look(); n != 0 {
		t.Errorf("%d gaps where there are none", n)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO messages VALUES ('a', 'd', 3)"); err != nil {
		t.Fatal(err)
	}
	if n := look(); n != 1 {
		t.Errorf("%d gaps where there is one", n)
	}
}
