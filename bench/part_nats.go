package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/ingestd/ingestd/bench/lab"
	"github.com/ingestd/ingestd/internal/listen"
)

// natsConfig is that of a NATS server.
type natsConfig struct {
	Name       string   `json:"name"`
	Dir        string   `json:"dir"`
	Listen     string   `json:"listen"`
	Cluster    string   `json:"cluster"` // where the others reach it
	Routes     []string `json:"routes"`  // to all of them; empty: it is alone
	SyncAlways bool     `json:"sync_always"`
}

// options are those of the server, which are its defaults where nothing is said.
func (c natsConfig) options() (*server.Options, error) {
	o := &server.Options{
		ServerName: c.Name, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: c.Dir, SyncAlways: c.SyncAlways,
		JetStreamMaxMemory: 1 << 30, JetStreamMaxStore: 1 << 40,
	}
	var err error
	if o.Host, o.Port, err = hostAndPort(c.Listen); err != nil {
		return nil, err
	}
	if len(c.Routes) == 0 {
		return o, nil
	}
	o.Cluster.Name = "bench"
	if o.Cluster.Host, o.Cluster.Port, err = hostAndPort(c.Cluster); err != nil {
		return nil, err
	}
	for _, r := range c.Routes {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: r})
	}
	return o, nil
}

func hostAndPort(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	return host, port, err
}

// playNATS is a NATS server, the real one. What it is let to do after it is ready is
// to find the others.
func playNATS(config []byte, in *bufio.Reader, out io.Writer) error {
	var c natsConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	o, err := c.options()
	if err != nil {
		return err
	}
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(patience) || !s.JetStreamEnabled() {
		return errors.New("the NATS server does not get ready")
	}
	if err := say(out, nothing{}); err != nil {
		return err
	}
	if err := await(in); err != nil {
		return err
	}
	tick, late := time.NewTicker(10*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !hasAll(s, len(c.Routes)) {
		select {
		case <-tick.C:
		case <-late:
			return errors.New("the NATS servers do not find one another")
		}
	}
	if err := say(out, nothing{}); err != nil {
		return err
	}
	untilEnd(in)
	return nil
}

// hasAll tells whether a server is one of a cluster of so many that has a leader; 0:
// it is none.
func hasAll(s *server.Server, size int) bool {
	switch {
	case size == 0:
		return true
	case s.JetStreamIsLeader():
		return len(s.JetStreamClusterPeers()) == size
	}
	return s.JetStreamIsCurrent()
}

// servers are NATS servers with JetStream, each a process of its own.
type servers struct {
	size int
	sync bool // every write, before it is answered; else every two minutes
}

// running are servers that run.
type running struct {
	urls  []string
	pids  []int
	parts []*part
	dirs  []func() // remove their files
}

// start starts them, and waits until they are a cluster.
func (n servers) start(ctx context.Context, e *lab.Lab) (r *running, err error) {
	addresses, err := listen.Spare(2 * n.size)
	if err != nil {
		return nil, err
	}
	dir, remove, err := e.NewDir()
	if err != nil {
		return nil, err
	}
	r = &running{dirs: []func(){remove}}
	defer func() {
		if err != nil {
			r.stop()
		}
	}()
	for i := range n.size {
		name := fmt.Sprintf("n%d", i+1)
		c := natsConfig{
			Name: name, Dir: filepath.Join(dir, name), SyncAlways: n.sync,
			Listen: addresses[i], Cluster: addresses[n.size+i],
		}
		if n.size > 1 {
			c.Routes = addresses[n.size:]
		}
		p, err := startPart(ctx, "part-nats", c, &nothing{})
		if err != nil {
			return r, err
		}
		r.parts = append(r.parts, p)
		r.pids = append(r.pids, p.pid())
		r.urls = append(r.urls, "nats://"+c.Listen)
	}
	for _, p := range r.parts {
		if err := p.work(&nothing{}); err != nil {
			return r, err
		}
	}
	return r, nil
}

// stop ends the servers, and removes what they have stored.
func (r *running) stop() {
	for _, p := range r.parts {
		p.kill()
	}
	for _, remove := range r.dirs {
		remove()
	}
}
