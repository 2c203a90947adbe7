package child_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/internal/child"
	"github.com/ingestd/ingestd/internal/child/childtest"
)

func TestMain(m *testing.M) { os.Exit(childtest.Main(m)) }

// A daemon says where it is, is killed, and starts again at the same address.
func TestDaemon(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), childtest.Patience)
	defer cancel()
	dir := t.TempDir()
	d := childtest.Run(t, dir, "127.0.0.1:0", "--set=admin.listen=127.0.0.1:0")
	if !strings.HasPrefix(d.URL(), "ws://127.0.0.1:") || !strings.HasPrefix(d.Admin(), "http://127.0.0.1:") {
		t.Errorf("it is at %q and %q", d.URL(), d.Admin())
	}
	if took, err := d.Ready(ctx); err != nil || took <= 0 {
		t.Errorf("ready after %v, %v", took, err)
	}
	d.Kill()
	d.Kill()
	if status, err := d.Wait(ctx); status != -1 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	listen := strings.TrimSuffix(strings.TrimPrefix(d.URL(), "ws://"), "/ws")
	again := childtest.Run(t, dir, listen)
	if again.URL() != d.URL() || again.Admin() != "" || again.Pid() == d.Pid() {
		t.Errorf("it is at %q and %q", again.URL(), again.Admin())
	}
	if err := again.Stop(ctx); err != nil {
		t.Error(err)
	}
	if !strings.Contains(again.Log(), "stopped: ") {
		t.Errorf("it says %s", again.Log())
	}
}

// One that cannot start says why.
func TestDaemonThatEnds(t *testing.T) {
	d := childtest.Launch(t, t.TempDir(), "nowhere")
	_, err := d.Ready(t.Context())
	ended, ok := errors.AsType[*child.EndedError](err)
	if !ok || ended.Status != 2 || !strings.Contains(ended.Error(), "nowhere") {
		t.Errorf("the error is %v", err)
	}
	<-d.Ended()
	if _, err := child.Start(child.Command{Path: "/nowhere/ingestd"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the error is %v", err)
	}
}
