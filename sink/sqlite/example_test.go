package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/sqlite"
)

// An engine that stores in a file, and what is in the file afterwards.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	path := filepath.Join(dir, "ingest.db")
	sink, err := sqlite.Open(ctx, sqlite.Config{Path: path}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := engine.New(sink, engine.DefaultOptions())
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	for n := range 3 {
		m := engine.Message{ID: "boiler", Op: "report", Data: fmt.Appendf(nil, `{"celsius":%d}`, 20+n)}
		if err := e.Route(ctx, m, nil); err != nil {
			fmt.Println(err)
		}
	}
	stop() // Run stores what was accepted, and closes the sink
	fmt.Println(<-ended)

	db, err := sql.Open("sqlite", path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Close() }()
	var status string
	var messages int
	err = db.QueryRow("SELECT status, messages FROM streams WHERE id = 'boiler'").Scan(&status, &messages)
	fmt.Println(status, messages, err)
	// Output:
	// <nil>
	// open 3 <nil>
}

// A sink can be written without an engine. What is stored already is a duplicate;
// something else under the same key is refused.
func ExampleSink_Write() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sink, err := sqlite.Open(context.Background(), sqlite.Config{Path: filepath.Join(dir, "ingest.db")}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = sink.Close() }()

	message := engine.Message{ID: "boiler", Client: "phone-7", Seq: 1, Op: "report", Data: []byte("20")}
	store := func() {
		results, err := sink.Write(context.Background(), []engine.Batch{{ID: "boiler", Messages: []engine.Message{message}}})
		fmt.Println(results, err)
	}
	store()
	store()
	message.Data = []byte("21")
	store()
	// Output:
	// [] <nil>
	// [{1 0 0}] <nil>
	// [] message 0 of batch 0: this client already stored something else under this id and seq
}

// A table of the host program's own is changed with the messages that are stored,
// once for each, whatever is sent again.
func ExampleConfig_apply() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()
	config := sqlite.Config{Path: filepath.Join(dir, "ingest.db")}
	db, err := sql.Open("sqlite", config.Path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec("CREATE TABLE boilers (name TEXT PRIMARY KEY, reports INTEGER NOT NULL)"); err != nil {
		fmt.Println(err)
	}

	config.Apply = func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
		for _, b := range fresh {
			_, err := tx.ExecContext(ctx, "INSERT INTO boilers VALUES (?, ?)"+
				" ON CONFLICT (name) DO UPDATE SET reports = reports + excluded.reports", b.ID, len(b.Messages))
			if err != nil {
				return err
			}
		}
		return nil
	}
	sink, err := sqlite.Open(ctx, config, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = sink.Close() }()
	first := engine.Message{ID: "boiler-7", Seq: 1, Client: "cellar", Op: "report", Data: []byte(`20`)}
	second := engine.Message{ID: "boiler-7", Seq: 2, Client: "cellar", Op: "report", Data: []byte(`21`)}
	for _, ms := range [][]engine.Message{{first}, {first, second}, {first, second}} {
		if _, err := sink.Write(ctx, []engine.Batch{{ID: "boiler-7", Messages: ms}}); err != nil {
			fmt.Println(err)
		}
	}
	var reports int
	err = db.QueryRow("SELECT reports FROM boilers WHERE name = 'boiler-7'").Scan(&reports)
	fmt.Println(reports, err)
	// Output: 2 <nil>
}
