package transport_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ingestd/ingestd/transport"
	"github.com/ingestd/ingestd/transport/transporttest"
)

// A host program takes messages at a path of its own server. In earnest the router
// is an engine.Engine.
func ExampleHTTP_ServeHTTP() {
	config := transport.DefaultHTTPConfig()
	config.Listen = "" // no port of its own
	ingest, err := transport.ListenHTTP(config)
	if err != nil {
		log.Fatal(err)
	}
	ctx, drain := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- ingest.Serve(ctx, transporttest.NewRouter()) }()

	mux := http.NewServeMux()
	mux.Handle("POST /devices/reports", ingest)
	host := httptest.NewServer(mux)
	defer host.Close()

	for {
		body := strings.NewReader(`{"id":17,"seq":1} {"id":17,"seq":"two"}`)
		resp, err := http.Post(host.URL+"/devices/reports?client=phone-7", "application/x-ndjson", body)
		if err != nil {
			log.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable { // until Serve has begun
			continue
		}
		fmt.Print(resp.StatusCode, " ", string(answer))
		break
	}

	drain() // before the host's own server is shut down
	fmt.Println(<-served)
	// Output:
	// 200 {"messages":2,"stored":1,"errors":[{"index":1,"line":1,"code":"bad_message","error":"seq must be an integer from 1 to 4611686018427387903, in plain digits","retry":false,"id":17}]}
	// <nil>
}
