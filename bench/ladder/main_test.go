package ladder

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// envChild makes this program the server of the design that ends its process:
// its value is the dsn.
const envChild = "LADDER_TEST_CHILD"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(envChild); dsn != "" {
		os.Exit(child(dsn))
	}
	os.Exit(mariadbtest.Main(m))
}

func child(dsn string) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		fmt.Println(l.Addr())
		err = Serve(context.Background(), "map", l, dsn, os.Stdout)
	}
	fmt.Println(err)
	return 1
}
