package deadletters

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// TestMain is also that of the processes that tests start of themselves.
func TestMain(m *testing.M) {
	if part := os.Getenv(envPart); part != "" {
		if err := parts[part](os.Getenv(envPath)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	status := mariadbtest.Main(m)
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}
