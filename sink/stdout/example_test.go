package stdout_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/stdout"
)

func ExampleOpen() {
	config := stdout.DefaultConfig()
	config.Output = os.Stdout
	s, err := stdout.Open(context.Background(), config, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	at := time.Date(2024, 5, 7, 3, 33, 20, 0, time.UTC)
	_, err = s.Write(context.Background(), []engine.Batch{{
		ID: "17",
		Messages: []engine.Message{{
			ID: "17", Seq: 42, Client: "phone-7", Op: "report", Received: at, Remote: "10.0.0.1:5123",
			Data: []byte(`{"conn_ip":"10.0.0.1"}`),
		}},
		End:   engine.EndOp,
		Final: &engine.Message{Kind: engine.Done, ID: "17", Code: 7, Received: at},
	}})
	fmt.Println(err, s.Close())
	// Output:
	// {"id":"17","seq":42,"client":"phone-7","op":"report","code":0,"sent_at":"2024-05-07T03:33:20.000000Z","received_at":"2024-05-07T03:33:20.000000Z","remote":"10.0.0.1:5123","sender":"","data":{"conn_ip":"10.0.0.1"}}
	// {"id":"17","status":"done","end_reason":"op","ended_at":"2024-05-07T03:33:20.000000Z","end_code":7,"end_data":null}
	// <nil> <nil>
}
