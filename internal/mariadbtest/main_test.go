package mariadbtest_test

import (
	"os"
	"testing"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }
