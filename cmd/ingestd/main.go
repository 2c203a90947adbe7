// Ingestd takes messages over websocket and stores them in batches, one stream
// for each id, in SQLite, MySQL or on the standard output.
package main

import (
	"os"

	"github.com/ingestd/ingestd/daemon"
)

func main() { os.Exit(daemon.Main(os.Args[1:])) }
