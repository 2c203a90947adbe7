package nats_test

import (
	"context"
	"fmt"
	"os"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/nats"
)

func Example() {
	url, stop := serve()
	defer stop()

	config := nats.DefaultConfig()
	config.URL = []engine.Secret{engine.Secret(url)}
	config.Partitions = 4
	ctx := context.Background()
	sink, err := nats.Open(ctx, config, nil) // which makes the stream
	if err != nil {
		fmt.Println(err)
		return
	}
	results, err := sink.Write(ctx, []engine.Batch{{
		ID: "17",
		Messages: []engine.Message{
			{ID: "17", Seq: 42, Client: "phone-7", Op: "report", Received: time.Now(), Data: []byte(`{"celsius":20.5}`)},
		},
		End: engine.EndDisconnect, Ended: time.Now(),
	}})
	fmt.Println(results, err)
	stats := sink.Stats()
	fmt.Println("stored by JetStream:", stats.Publishes, "with", stats.PublishedMessages, "message")
	fmt.Println(sink.Close())
	// Output:
	// [{0 -1 -1}] <nil>
	// stored by JetStream: 1 with 1 message
	// <nil>
}

// serve is a NATS server; elsewhere there is one.
func serve() (url string, stop func()) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, JetStream: true, StoreDir: dir, JetStreamMaxStore: 1 << 40, NoLog: true, NoSigs: true,
	})
	if err != nil {
		panic(err)
	}
	s.Start()
	s.ReadyForConnections(time.Minute)
	return s.ClientURL(), func() {
		s.Shutdown()
		s.WaitForShutdown()
		_ = os.RemoveAll(dir)
	}
}
