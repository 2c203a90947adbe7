// Package daemon makes a program of the engine: it reads the configuration, opens
// the sink and the transports that it names, runs everything, and ends with the
// exit status that tells how it went.
//
// [Main] is the whole program. A custom build is a main of ten lines that adds a
// row to the table of plugins:
//
//	func main() {
//		os.Exit(daemon.Main(os.Args[1:],
//			daemon.WithSink("kafka", kafka.DefaultConfig, kafka.Open)))
//	}
package daemon
