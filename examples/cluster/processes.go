package main

import (
	"context"
	"embed"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/ingestd/ingestd/internal/child"
	"github.com/ingestd/ingestd/internal/listen"
)

//go:embed nats.conf edge.hcl writer.hcl
var files embed.FS

// node is a process that is a NATS node. It gives its exit status.
func node(config string) int {
	options, err := server.ProcessConfigFile(config)
	if err == nil {
		var s *server.Server
		if s, err = server.NewServer(options); err == nil {
			s.ConfigureLogger()
			s.Start()
			fmt.Fprintln(os.Stderr, "nats-server ready: listening="+s.ClientURL())
			s.WaitForShutdown()
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, "node:", err)
	return 1
}

// cluster is all processes, by name.
type cluster struct {
	all      map[string]*process
	database string
}

// process is one of them. What it listens on, and its files, stay the same.
type process struct {
	child.Command
	run     *child.Daemon
	listen  string
	monitor string // a URL that answers with 200 when it is well
}

// startCluster starts everything, the nodes first.
func startCluster(ctx context.Context, dir string) (*cluster, error) {
	if err := os.CopyFS(dir, files); err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addresses, err := listen.Spare(3*3 + 2*4)
	if err != nil {
		return nil, err
	}
	c := &cluster{all: make(map[string]*process), database: filepath.Join(dir, "ingest.db")}
	add := func(name, health string, args, env []string) {
		own := filepath.Join(dir, name)
		at, monitor := addresses[0], addresses[1]
		addresses = addresses[2:]
		c.all[name] = &process{listen: at, monitor: "http://" + monitor + health, Command: child.Command{
			Path: program, Args: args, Dir: own,
			Env: append(env, "NAME="+name, "STORE="+own, "LISTEN="+at, "MONITOR="+monitor, "ADMIN="+monitor),
		}}
	}

	routes, urls := addresses[:3], []string{"DATABASE=" + c.database}
	addresses = addresses[3:]
	for i := range 3 {
		name := fmt.Sprintf("n%d", i+1)
		env := []string{"CLUSTER=" + routes[i]}
		for k, route := range routes {
			env = append(env, fmt.Sprintf("CLUSTER_%d=nats://%s", k+1, route))
		}
		add(name, "/healthz", []string{"node", filepath.Join(dir, "nats.conf")}, env)
		urls = append(urls, fmt.Sprintf("NATS_%d=nats://%s", i+1, c.all[name].listen))
	}
	for _, kind := range []string{"edge", "writer"} {
		for i := range 2 {
			add(fmt.Sprintf("%s-%d", kind, i+1), "/readyz", []string{"daemon", "--config", filepath.Join(dir, kind+".hcl")}, urls)
		}
	}
	for _, names := range [][]string{{"n1", "n2", "n3"}, {"edge-1", "edge-2"}, {"writer-1", "writer-2"}} {
		for _, name := range names {
			err := os.Mkdir(c.all[name].Dir, 0o700)
			if err == nil {
				err = c.start(ctx, name)
			}
			if err != nil {
				c.kill()
				return nil, err
			}
		}
		for _, name := range names {
			if err := c.all[name].await(ctx); err != nil {
				c.kill()
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return c, nil
}

// start starts a process, which is down.
func (c *cluster) start(ctx context.Context, name string) (err error) {
	p := c.all[name]
	if p.run, err = child.Start(p.Command); err == nil {
		_, err = p.run.Ready(ctx)
	}
	return err
}

// end ends one as kill -9 does.
func (c *cluster) end(_ context.Context, name string) error {
	c.all[name].run.Kill()
	return nil
}

// kill ends all of them.
func (c *cluster) kill() {
	for _, p := range c.all {
		if p.run != nil {
			p.run.Kill()
		}
	}
}

// edges are the addresses of the edges.
func (c *cluster) edges() []string { return []string{c.all["edge-1"].listen, c.all["edge-2"].listen} }

// await waits until the process says that it is well.
func (p *process) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		status := "no answer"
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.monitor, http.NoBody)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(r); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			status = response.Status
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("%s says: %s\n%s", p.monitor, status, p.run.Log())
		}
	}
}
