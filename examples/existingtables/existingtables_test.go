package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/transport"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

func TestSQLite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cases.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	testTables(t, db, func() (engine.Sink, error) { return openSQLite(t.Context(), file) })
}

func TestMySQL(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	testTables(t, mariadbtest.DB(t, dsn), func() (engine.Sink, error) { return openMySQL(t.Context(), dsn) })
}

// program runs the program until the returned function is called.
func program(t *testing.T, open func() (engine.Sink, error)) (url string, stop func()) {
	t.Helper()
	sink, err := open()
	if err != nil {
		t.Fatal(err)
	}
	config := transport.DefaultWebSocketConfig()
	config.Listen, config.OnDisconnect = "127.0.0.1:0", transport.DisconnectKeep
	server, err := transport.ListenWebSocket(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	options := engine.DefaultOptions()
	options.BatchWait = 50 * time.Millisecond
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, server, sink, options) }()
	return server.URL(), func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

const cases, each = 3, 25

// send sends all reports of a client, and waits until all is answered. It returns
// the errors that it heard.
func send(t *testing.T, url, name string) (errs []string) {
	t.Helper()
	client, _, err := websocket.Dial(t.Context(), url+"?client="+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.CloseNow() }()
	write := func(format string, args ...any) {
		if err := client.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
			t.Fatal(err)
		}
	}
	for seq := 1; seq <= each; seq++ {
		for id := 1; id <= cases; id++ {
			data := fmt.Sprintf(`{"conn_ip":"10.0.0.%d","id":%d}`, seq, id)
			if seq == 7 {
				data = "null" // what ended another program, once
			}
			write(`{"op":"report","id":%d,"seq":%d,"time":"1715050000","data":%s,"code":%d}`, id, seq, data, seq%5)
		}
	}
	for id := 1; id <= cases; id++ {
		write(`{"op":"done","id":%d}`, id)
	}
	for left := cases; left > 0; {
		_, frame, err := client.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Op, Code, Error string }
		if err := json.Unmarshal(frame, &answer); err != nil {
			t.Fatal(err)
		}
		switch answer.Op {
		case "done":
			left--
		case "error":
			errs = append(errs, answer.Code+": "+answer.Error)
		}
	}
	return errs
}

// Every report is in the tables once, and counted once, however often it is sent:
// on a new connection, or to a program that was started again.
func testTables(t *testing.T, db *sql.DB, open func() (engine.Sink, error)) {
	for round := range 2 {
		url, stop := program(t, open)
		for again := range 2 {
			for _, name := range []string{"phone-1", "phone-2"} {
				errs := send(t, url, name)
				if len(errs) != cases || !strings.Contains(strings.Join(errs, ", "), "rejected") {
					t.Errorf("round %d, time %d, %s: the errors are %q", round, again, name, errs)
				}
			}
		}
		stop()
	}
	rows := 2 * cases * (each - 1)
	for query, want := range map[string]int{
		"SELECT COUNT(*) FROM case_reports":                                                                        rows,
		"SELECT COUNT(*) FROM case_reports WHERE code <> 0":                                                        2 * cases * (each - each/5 - 1),
		"SELECT COUNT(*) FROM (SELECT COUNT(*) AS n FROM case_reports GROUP BY case_id, conn_ip) AS g WHERE n = 2": rows / 2,
		"SELECT COUNT(*) FROM cases":                                                                               cases,
		"SELECT SUM(reports) FROM cases":                                                                           rows,
		"SELECT SUM(failed) FROM cases":                                                                            2 * cases * (each - each/5 - 1),
		"SELECT COUNT(*) FROM cases WHERE last_ip = '10.0.0.25' AND finished = 1":                                  cases,
	} {
		var n int
		if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if n != want {
			t.Errorf("%s: %d, not %d", query, n, want)
		}
	}
}
