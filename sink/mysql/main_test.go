package mysql_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/sink/mysql"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(frozenDSN); dsn != "" {
		os.Exit(writeTwice(dsn))
	}
	status := mariadbtest.Main(m)
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// frozenDSN is the variable with which the test runs itself as the process to freeze.
const frozenDSN = "FROZEN_WRITER_DSN"

// writeTwice writes a round, and once more where that fails, and says what came of it.
func writeTwice(dsn string) int {
	s, err := mysql.Open(context.Background(), config(dsn), nil)
	if err != nil {
		fmt.Println("open:", err)
		return 1
	}
	_, err = s.Write(context.Background(), round(0))
	fmt.Printf("transient=%v: %v\n", err != nil && !engine.IsBlocked(err) && !engine.IsPermanent(err), err)
	results, err := s.Write(context.Background(), round(0))
	if err != nil {
		fmt.Println("again:", err)
		return 1
	}
	stored := 0
	for _, r := range results {
		stored += r.Duplicates
	}
	fmt.Println("stored already:", stored)
	return 0
}
