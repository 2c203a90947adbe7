// Existingtables is a program with tables of its own, which were there before: for
// each report of a test case a row in case_reports, and one row for each case in
// cases, which adds them up. It takes the reports over websockets and changes its
// tables in the transaction in which they are stored, so that each report counts
// once: whatever is sent again, tried again, or cut off by a crash.
//
//	go run ./examples/existingtables                                  # into cases.db
//	go run ./examples/existingtables -mysql 'user:password@tcp(127.0.0.1:3306)/test'
//
// A client is any that speaks the protocol of ingestd:
//
//	{"op":"report","id":17,"seq":1,"time":"1715050000","data":{"conn_ip":"10.0.0.1","id":17},"code":0}
//	{"op":"done","id":17}
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/mysql"
	"github.com/ingestd/ingestd/sink/sqlite"
	"github.com/ingestd/ingestd/transport"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:7001", "where clients connect")
	file := flag.String("sqlite", "cases.db", "the SQLite database")
	dsn := flag.String("mysql", "", "a MySQL or MariaDB database, instead of SQLite")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := start(ctx, *listen, *file, *dsn)
	if err != nil {
		fmt.Fprintln(os.Stderr, "existingtables:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context, listen, file, dsn string) error {
	sink, err := openSQLite(ctx, file)
	if dsn != "" {
		sink, err = openMySQL(ctx, dsn)
	}
	if err != nil {
		return err
	}
	config := transport.DefaultWebSocketConfig()
	config.Listen = listen
	server, err := transport.ListenWebSocket(config)
	if err != nil {
		return errors.Join(err, sink.Close())
	}
	fmt.Println("listening on", server.URL())
	return run(ctx, server, sink, engine.DefaultOptions())
}

// run takes reports until ctx ends, and then stores what it has accepted.
func run(ctx context.Context, server engine.Transport, sink engine.Sink, options engine.Options) error {
	e, err := engine.New(sink, options)
	if err != nil {
		return errors.Join(err, sink.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(ctx, e)
		cancel() // where the transport fails, the engine ends too
	}()
	err = e.Run(ctx) // drains when ctx ends, and closes the sink
	return errors.Join(err, <-served)
}

// openSQLite opens a sink whose messages are in the same file as the tables.
func openSQLite(ctx context.Context, file string) (engine.Sink, error) {
	if err := inSQLite.create(ctx, file); err != nil {
		return nil, err
	}
	config := sqlite.DefaultConfig()
	config.Path, config.Apply = file, inSQLite.apply
	return sqlite.Open(ctx, config, nil)
}

// openMySQL opens a sink whose messages are in the same database as the tables,
// under names that do not say less than "messages" beside them.
func openMySQL(ctx context.Context, dsn string) (engine.Sink, error) {
	if err := inMySQL.create(ctx, dsn); err != nil {
		return nil, err
	}
	config := mysql.DefaultConfig()
	config.DSN, config.Apply = engine.Secret(dsn), inMySQL.apply
	config.MessagesTable, config.StreamsTable = "case_messages", "case_streams"
	return mysql.Open(ctx, config, nil)
}
