package natstest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/ingestd/ingestd/internal/child"
	"github.com/ingestd/ingestd/internal/listen"
)

// nodeEnv is set in a process that is to be a node, to the path of its
// configuration.
const nodeEnv = "INGEST_NATSTEST_NODE"

// patience is how long the nodes may take for what is sure to come. It is no
// measurement: only nodes that hang make a test wait as long.
const patience = 2 * time.Minute

// Main is the tests, or, in a process that [StartNodes] started, a node. It
// returns the exit status. A package that starts nodes hands its TestMain to it:
//
//	func TestMain(m *testing.M) { os.Exit(natstest.Main(m.Run)) }
func Main(tests func() int) int {
	config := os.Getenv(nodeEnv)
	if config == "" {
		return tests()
	}
	fmt.Fprintln(os.Stderr, "nats-server:", serve(config))
	return 1
}

// serve is a node. It ends only with its process, or where it fails.
func serve(config string) error {
	options, err := server.ProcessConfigFile(config)
	if err != nil {
		return err
	}
	options.NoSigs = true
	s, err := server.NewServer(options)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	if !s.ReadyForConnections(patience) {
		return errors.New("takes no connections")
	}
	fmt.Fprintf(os.Stderr, "nats-server ready: listening=%s\n", s.ClientURL())
	s.WaitForShutdown()
	return errors.New("shut down")
}

// Nodes are nats-servers, each a process of its own, which are a JetStream cluster
// on the loopback address. They sync what they store before they answer.
type Nodes struct {
	All []*Node
}

// Node is one of them. Its ports and its files stay the same over restarts. Its
// methods may be called from any goroutine.
type Node struct {
	Name string // in the cluster
	URL  string // for clients

	monitor string // where it tells about itself
	config  string // the path of its configuration

	mu      sync.Mutex
	run     *child.Daemon // nil while it is down
	stopped bool
}

// StartNodes starts n nodes with their files in a directory of the test, and waits
// until they are a cluster. They are killed when the test ends. The package's
// TestMain calls [Main].
func StartNodes(tb testing.TB, n int) *Nodes {
	tb.Helper()
	addresses, err := listen.Spare(3 * n)
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	var routes []string
	for _, address := range addresses[2*n:] {
		routes = append(routes, strconv.Quote("nats://"+address))
	}
	nodes := &Nodes{}
	for i := range n {
		node := &Node{
			Name: fmt.Sprintf("n%d", i+1), URL: "nats://" + addresses[i], monitor: "http://" + addresses[n+i],
		}
		node.config = filepath.Join(dir, node.Name+".conf")
		text := fmt.Sprintf(config, node.Name, addresses[i], addresses[n+i], filepath.Join(dir, node.Name),
			addresses[2*n+i], strings.Join(routes, ", "))
		if err := os.WriteFile(node.config, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
		nodes.All = append(nodes.All, node)
	}
	tb.Cleanup(func() {
		for _, node := range nodes.All {
			log := node.Kill()
			if tb.Failed() {
				tb.Logf("the last that %s said:\n%s", node.Name, log)
			}
		}
	})
	for _, node := range nodes.All {
		node.Start(tb)
	}
	nodes.Await(tb)
	return nodes
}

// config is that of a node: its name, three addresses, of which the middle one is
// where it tells about itself, its files, and the routes to all nodes.
const config = `
server_name: %s
listen: "%s"
http: "%s"
jetstream {
  store_dir: "%s"
  sync_interval: always
}
cluster {
  name: nodes
  listen: "%s"
  routes: [%s]
}
`

// URLs lead clients to all nodes.
func (n *Nodes) URLs() []string {
	var urls []string
	for _, node := range n.All {
		urls = append(urls, node.URL)
	}
	return urls
}

// Start starts the node, which is down, on what it has stored. It returns when the
// node takes connections; see [Nodes.Await].
func (n *Node) Start(tb testing.TB) {
	tb.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	program, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	n.run, err = child.Start(child.Command{Path: program, Env: []string{nodeEnv + "=" + n.config}})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := n.run.Ready(tb.Context()); err != nil {
		tb.Fatalf("%s does not start:\n%s", n.Name, n.run.Log())
	}
}

// Kill ends the node as kill -9 does, and waits until it is gone. It gives the last
// that the node has said. Where it is down already, nothing happens.
func (n *Node) Kill() (log string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run == nil {
		return ""
	}
	n.run.Kill()
	log = n.run.Log()
	n.run, n.stopped = nil, false
	return log
}

// Stop halts the node where it stands: it keeps its connections, and says nothing.
func (n *Node) Stop() { n.halt(true) }

// Cont lets it go on.
func (n *Node) Cont() { n.halt(false) }

func (n *Node) halt(stop bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run == nil {
		return
	}
	signal := syscall.SIGCONT
	if stop {
		signal = syscall.SIGSTOP
	}
	_ = n.run.Signal(signal)
	n.stopped = stop
}

// runs tells whether the node is neither down nor halted.
func (n *Node) runs() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.run != nil && !n.stopped
}
