package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/sqlite"
)

// What a client sends again is stored once; and the sink tells how much of it was
// there, how many messages the stream has, and which came last.
func ExampleSink_Write() {
	dir, err := os.MkdirTemp("", "sqlite")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := sqlite.Open(context.Background(), sqlite.Config{Path: filepath.Join(dir, "ingest.db")}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	b := engine.Batch{ID: "17", End: engine.EndDisconnect, Resume: "phone-7"}
	for seq := range int64(3) {
		b.Messages = append(b.Messages, engine.Message{ID: "17", Seq: seq + 1, Client: "phone-7", Op: "report"})
	}
	for range 2 {
		results, err := s.Write(context.Background(), []engine.Batch{b})
		fmt.Printf("%+v %v\n", results, err)
	}
	fmt.Println(s.Close())
	// Output:
	// [{Duplicates:0 Rows:3 LastSeq:3}] <nil>
	// [{Duplicates:3 Rows:3 LastSeq:3}] <nil>
	// <nil>
}
