package cluster

import (
	"bufio"
	"context"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ingestd/ingestd/internal/child"
	"github.com/ingestd/ingestd/internal/child/childtest"
)

// daemon is an edge or a writer: its files and its addresses stay the same over
// restarts.
type daemon struct {
	name string
	t    *testing.T
	dir  string
	env  []string // what its configuration asks for
	file string
	run  *child.Daemon
}

// newDaemon is one with this configuration in testdata, which is down.
func newDaemon(t *testing.T, name, config string, env ...string) *daemon {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("testdata", config))
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{name: name, t: t, dir: t.TempDir(), env: append(env, "NAME="+name), file: file}
	t.Cleanup(func() {
		if d.run == nil {
			return
		}
		d.run.Kill()
		if t.Failed() {
			t.Logf("the last that %s said:\n%s", d.name, d.run.Log())
		}
	})
	return d
}

// start starts it, and waits until it is ready.
func (d *daemon) start() {
	d.t.Helper()
	var err error
	d.run, err = child.Start(child.Command{
		Path: childtest.Program(d.t), Args: []string{"run", "--config=" + d.file}, Dir: d.dir, Env: d.env,
	})
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := patience()
	defer cancel()
	if _, err := d.run.Ready(ctx); err != nil {
		d.t.Fatalf("%s: %v", d.name, err)
	}
}

// kill ends it as kill -9 does. It must not have ended by itself.
func (d *daemon) kill() {
	d.t.Helper()
	select {
	case <-d.run.Ended():
		d.t.Fatalf("%s ended by itself:\n%s", d.name, d.run.Log())
	default:
	}
	d.run.Kill()
}

// halt stops it where it stands, and cont lets it go on.
func (d *daemon) halt() { d.signal(syscall.SIGSTOP) }
func (d *daemon) cont() { d.signal(syscall.SIGCONT) }

func (d *daemon) signal(s syscall.Signal) {
	d.t.Helper()
	if err := d.run.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}

// stop drains it.
func (d *daemon) stop() {
	d.t.Helper()
	ctx, cancel := patience()
	defer cancel()
	if err := d.run.Stop(ctx); err != nil {
		d.t.Errorf("%s: %v", d.name, err)
	}
}

// metric is the value of one of its metrics, which has no labels.
func (d *daemon) metric(name string) (value float64) {
	d.t.Helper()
	r, err := http.Get(d.run.Admin() + "/metrics")
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			if value, err = strconv.ParseFloat(text, 64); err != nil {
				d.t.Fatal(err)
			}
			return value
		}
	}
	d.t.Fatalf("%s has no metric %s", d.name, name)
	return 0
}

func patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), childtest.Patience)
}
