// Customsink is ingestd with one more sink, which writes a CSV file. It is chosen
// in the configuration, as the built-in ones are:
//
//	go run ./examples/customsink --config examples/customsink/config.hcl
package main

import (
	"os"

	"github.com/ingestd/ingestd/daemon"
)

func main() {
	os.Exit(daemon.Main(os.Args[1:], daemon.WithSink("csv", defaultConfig, open)))
}
