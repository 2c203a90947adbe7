package stdout_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/stdout"
)

func Example() {
	config := stdout.DefaultConfig()
	config.Output = os.Stdout
	sink, err := stdout.Open(context.Background(), config, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	at := time.Date(2024, 5, 7, 3, 33, 20, 0, time.UTC)
	_, err = sink.Write(context.Background(), []engine.Batch{{
		ID: "17",
		Messages: []engine.Message{
			{ID: "17", Seq: 42, Client: "phone-7", Op: "report", Time: at, Received: at, Data: []byte(`{"celsius":20.5}`)},
		},
		End:   engine.EndOp,
		Final: &engine.Message{Kind: engine.Done, ID: "17", Code: 1, Received: at},
	}})
	fmt.Println(err)
	_ = sink.Close()
	// Output:
	// {"id":"17","seq":42,"client":"phone-7","op":"report","code":0,"sent_at":"2024-05-07T03:33:20.000000Z","received_at":"2024-05-07T03:33:20.000000Z","remote":"","sender":"","data":{"celsius":20.5}}
	// {"id":"17","status":"done","end_reason":"op","ended_at":"2024-05-07T03:33:20.000000Z","end_code":1,"end_data":null}
	// <nil>
}
