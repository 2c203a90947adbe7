package deadletters_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ingestd/ingestd/deadletters"
	"github.com/ingestd/ingestd/engine"
)

// An engine keeps in a Store what its sink refuses for good; whoever opens the same
// file finds it there.
func ExampleStore() {
	dir, err := os.MkdirTemp("", "letters")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()
	store, err := deadletters.Open(ctx, filepath.Join(dir, "dead-letters.db"), deadletters.Options{Sink: "my table"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = store.Close() }()

	o := engine.DefaultOptions()
	o.DeadLetters = store // and that is all; what follows is what the engine does then
	err = o.DeadLetters.Keep(ctx, []engine.DeadLetter{{
		Message: engine.Message{ID: "sensor-7", Client: "phone", Seq: 42, Data: []byte(`{"t":1e99}`)},
		Err:     engine.Permanent(errors.New("out of range")),
	}})
	if err != nil {
		fmt.Println(err)
	}

	for letter, err := range store.List(ctx, deadletters.Filter{ID: "sensor-7"}) {
		fmt.Println(letter.Number, letter.Message.Seq, string(letter.Message.Data), letter.Reason, err)
	}
	// Once the table is mended: a Replayer in the process that has the engine sends
	// what is marked.
	request, n, err := store.Mark(ctx, deadletters.Filter{})
	fmt.Println("request", request, "is about", n, "letter", err)
	// Output:
	// 1 42 {"t":1e99} out of range <nil>
	// request 1 is about 1 letter <nil>
}
