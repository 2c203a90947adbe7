package mysql_test

import (
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/ingestd/ingestd/bench/limit"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/sink/sinktest"
)

// BenchmarkWrite gives the sink and the bare insert a database each on one server:
// what the server does in the background for one may fall to the other.
func BenchmarkWrite(b *testing.B) {
	pid := mariadbtest.Shared(b).Pid()
	sinktest.Benchmark(b, sinktest.Subject{
		Open: func(b *testing.B) engine.Sink { return opened(b, config(mariadbtest.DSN(b))) },
		Bare: func(b *testing.B, l sinktest.Load) func() error {
			in, err := limit.Bulk{
				Dialect: "mysql", DSN: mariadbtest.DSN(b), IDs: l.Streams, RowsAnID: l.RowsEach, Size: 150,
			}.Open(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = in.Close() })
			return func() error {
				_, err := in.Run(b.Context(), 1)
				return err
			}
		},
		Server: func() time.Duration { return processTime(pid) },
	})
}

// processTime is the CPU time that another process has spent.
func processTime(pid int) time.Duration {
	clock := uintptr(^pid<<3 | 2) // as clock_getcpuclockid makes it
	var t syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		return 0
	}
	return time.Duration(t.Nano())
}
