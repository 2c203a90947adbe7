// Clients serves the page in index.html, and brings its websocket to ingestd: from
// a browser ingestd takes only pages of its own host and port, so the two must be
// served from one place. Any reverse proxy that keeps the Host will do instead.
//
//	go run ./cmd/ingestd
//	go run ./examples/clients   # in another terminal; then open http://127.0.0.1:8080
package main

import (
	"embed"
	"flag"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

//go:embed index.html ingest.mjs
var files embed.FS

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where the page is served")
	daemon := flag.String("ingestd", "127.0.0.1:7001", "where ingestd listens")
	flag.Parse()
	fmt.Println("open http://" + *listen)
	server := &http.Server{Addr: *listen, Handler: site(*daemon), ReadHeaderTimeout: 10 * time.Second}
	if err := server.ListenAndServe(); err != nil {
		fmt.Fprintln(os.Stderr, "clients:", err)
		os.Exit(1)
	}
}

// site is the page, and the way to the websocket of ingestd at the address daemon.
func site(daemon string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(files))
	mux.Handle("/ws", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: daemon})
		r.Out.Host = r.In.Host // which ingestd compares with the page's Origin
		r.SetXForwarded()
	}})
	return mux
}
