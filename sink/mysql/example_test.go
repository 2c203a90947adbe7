package mysql_test

import (
	"context"
	"fmt"
	"os"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/mysql"
)

// An engine that stores in MySQL or MariaDB. Writers of the sink and of the engine
// are the same number: each goroutine that writes has its connection.
func Example() {
	config := mysql.DefaultConfig()
	config.DSN = engine.Secret(os.Getenv("INGEST_MYSQL_DSN")) // user:password@tcp(host:3306)/database
	sink, err := mysql.Open(context.Background(), config, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	options := engine.DefaultOptions()
	options.Writers = config.Writers
	e, err := engine.New(sink, options)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = e // Run it, and give it to transports
}
