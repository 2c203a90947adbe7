package main

import (
	"os"
	"testing"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// TestMain plays the parts of the benchmarks, which start this program again.
func TestMain(m *testing.M) {
	if status, played := playPart(os.Args[1:]); played {
		os.Exit(status)
	}
	os.Exit(mariadbtest.Main(m))
}
