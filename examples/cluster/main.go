// Cluster is ingestd on more than one machine, on this machine: three NATS nodes,
// two edges and two writers, each a process, and clients that send to the edges.
// While they send, a process of each kind is ended with kill -9, and started again;
// at last every message that was acked must be stored once, in its place.
//
//	go run ./examples/cluster
//
//	                  ┌──────────┐   ┌───────────────────┐   ┌──────────┐
//	          ┌──────►│  edge 1  ├──►│  nodes n1 n2 n3:  ├──►│ writer 1 ├──┐
//	  clients ┤       └──────────┘   │  64 partitions,   │   └──────────┘  ├──► SQLite
//	          └──────►│  edge 2  ├──►│  three of each    ├──►│ writer 2 ├──┘
//	                  └──────────┘   └───────────────────┘   └──────────┘
//
// An edge (edge.hcl) takes messages as any ingestd does, and stores them in
// JetStream: in the partition that follows from the id, on at least two of the
// three nodes (nats.conf) before it acks them. A writer (writer.hcl) stores what is
// in its partitions, which are its alone, in the database. So
//
//   - a client whose edge dies goes to the other one and sends again what was not
//     acked. What comes twice is stored once, by its key (id, seq, client);
//   - when a node dies, the other two elect who leads, and have everything;
//   - when a writer dies, the other one takes its partitions over, from the place up
//     to which everything is stored.
//
// The program is all of these processes: it starts itself again as each of them.
// Its exit status is 0 where nothing was lost, doubled or out of order. How to do
// this on real machines is in docs/scaling.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ingestd/ingestd/daemon"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "node":
			os.Exit(node(os.Args[2]))
		case "daemon":
			os.Exit(daemon.Main(os.Args[2:]))
		}
	}
	length := flag.Duration("for", 25*time.Second, "how long the clients send")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	v, err := run(ctx, *length)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
	}
	if err != nil || !v.clean() {
		stop()
		os.Exit(1)
	}
}

// run is the whole story.
func run(ctx context.Context, length time.Duration) (verdict, error) {
	dir, err := os.MkdirTemp("", "cluster-")
	if err != nil {
		return verdict{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	say("starting three nodes, two edges and two writers in %s", dir)
	c, err := startCluster(ctx, dir)
	if err != nil {
		return verdict{}, err
	}
	defer c.kill()
	db, err := openTable(c.database)
	if err != nil {
		return verdict{}, err
	}
	defer func() { _ = db.Close() }()
	clients, err := startClients(ctx, c.edges())
	if err != nil {
		return verdict{}, err
	}
	say("%d clients send to %d streams", len(clients), streams)
	watch := startWatch(ctx, db, clients, length/10)

	// What happens, and when, in parts of the whole time.
	begun := time.Now()
	for _, event := range []struct {
		at   float64
		what string
		do   func(context.Context, string) error
		who  string
	}{
		{0.10, "kill -9", c.end, "n1"},
		{0.25, "start", c.start, "n1"},
		{0.30, "kill -9", c.end, "edge-1"},
		{0.40, "start", c.start, "edge-1"},
		{0.45, "kill -9", c.end, "writer-1"}, // and the other one waits until it is sure
		{0.85, "start", c.start, "writer-1"},
	} {
		if err = sleep(ctx, time.Until(begun.Add(time.Duration(event.at*float64(length))))); err != nil {
			break
		}
		say("%s %s", event.what, event.who)
		if err = event.do(ctx, event.who); err != nil {
			break
		}
	}
	if err == nil {
		err = sleep(ctx, time.Until(begun.Add(length)))
	}
	if err != nil {
		clients.abort()
		watch.end()
		return verdict{}, err
	}
	say("the clients wait for their last acks")
	if err := clients.finish(ctx); err != nil {
		watch.end()
		return verdict{}, err
	}
	say("the writers store the rest")
	err = awaitStored(ctx, db, clients)
	watch.end()
	if err != nil {
		return verdict{}, err
	}
	v, err := judge(ctx, db, clients)
	v.outOfOrder += watch.gaps
	if err == nil {
		say("%s", v)
	}
	return v, err
}

var begun = time.Now()

// say tells the story.
func say(format string, args ...any) {
	fmt.Printf("%6.1f s  %s\n", time.Since(begun).Seconds(), fmt.Sprintf(format, args...))
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
