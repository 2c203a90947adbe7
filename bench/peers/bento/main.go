// Bento, with the components that the configurations beside it use, and without
// the hundred others: the program is smaller, and does the same.
package main

import (
	"context"

	_ "github.com/go-sql-driver/mysql"                             // a driver
	_ "github.com/warpstreamlabs/bento/public/components/io"       // http_server
	_ "github.com/warpstreamlabs/bento/public/components/pure"     // buffers and processors
	_ "github.com/warpstreamlabs/bento/public/components/sql/base" // sql_insert and sql_raw
	"github.com/warpstreamlabs/bento/public/service"
	_ "modernc.org/sqlite" // a driver
)

func main() { service.RunCLI(context.Background()) }
