package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// A disk whose sync fails once is not trusted again: from then on nothing is acked
// that is not in the database, the daemon drains and ends with status 1, and after a
// restart everything that was acked is there.
func TestFailedSync(t *testing.T) {
	for _, nth := range []int{1, 3, 100} {
		t.Run(fmt.Sprint(nth), func(t *testing.T) {
			testBrokenDisk(t, fmt.Sprintf("fdatasync:error=EIO:when=%d", nth))
		})
	}
}

// A write that fails is cut back and tried again: nothing is lost, and
// the daemon goes on.
func TestFailedWrite(t *testing.T) {
	for _, err := range []string{"EIO", "ENOSPC"} {
		t.Run(err, func(t *testing.T) { testBrokenDisk(t, "pwrite64:error="+err+":when=4+7") })
	}
}

func testBrokenDisk(t *testing.T, inject string) {
	dir := t.TempDir()
	s := sqliteStore(t, dir)
	// Only the calls on this path are traced, and only they fail.
	segment := filepath.Join(dir, "ingest-data", "spool", "00000000000000000001.seg")
	trace := filepath.Join(dir, "trace")
	d := startTraced(t, dir, []string{
		"-o", trace, "-P", segment, "-e", "signal=none", "-e", "trace=fdatasync,pwrite64,ftruncate", "-e", "inject=" + inject,
	}, append([]string{"--set=router.batch_wait=1h", "--set=router.batch_size=100000"}, spooled...)...)
	c := newCrew("broken", 4, ids(20))
	c.board(d)
	failed := strings.HasPrefix(inject, "fdatasync")
	wait := begin(t, len(c.conns), func(i int) error {
		x := c.senders[i]
		x.window = 20
		for n := 0; failed || n < 200; n++ {
			if err := x.send(c.conns[i], 3); err != nil {
				if failed {
					return nil // the daemon is gone
				}
				return err
			}
		}
		return nil
	})
	wait()
	if failed {
		if status := d.wait(); status != 1 || !strings.Contains(d.log(), "the spool failed") {
			t.Errorf("exit status %d", status)
		}
	} else {
		d.stop()
	}
	if text, err := os.ReadFile(trace); err != nil || !bytes.Contains(text, []byte("(INJECTED)")) {
		t.Fatalf("nothing was injected: %v", err)
	}
	start(t, dir, spooled...).stop()
	rows := s.rows()
	v := c.run.judge(rows, c.promised(), c.attempted())
	v.fine(t, len(rows))
	t.Logf("%d acked, %d stored", sum(c.promised()), len(rows))
}

// A full disk is back-pressure: no ack, no crash, not ready. Once there is space it
// goes on by itself, and nothing is lost.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "small")
	must(t, os.Mkdir(data, 0o700))
	if err := syscall.Mount("none", data, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatalf("mount a small file system, which only root may do: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(data, 0)) })
	server := mariadbtest.New(t)
	s := mysqlStore(t, server.DSN(t))
	d := start(t, dir, append(append([]string{"--set=data_dir=" + data, "--set=router.batch_wait=20ms"}, spooled...), s.args...)...)
	server.Stop() // the sink hangs, so that the spool fills up
	c := newCrew("full", 4, ids(20))
	c.board(d)
	stop := make(chan struct{})
	wait := begin(t, len(c.conns), func(i int) error {
		x := c.senders[i]
		x.window = 200
		for {
			select {
			case <-stop:
				return c.conns[i].wait("all acks", func() bool { return c.conns[i].total == int64(x.all) })
			default:
			}
			if err := x.send(c.conns[i], 20); err != nil {
				return err
			}
		}
	})
	d.says("no space left on device")
	eventually(t, "it is not ready", func() bool { return strings.HasPrefix(d.readyz(), "not ready: the spool cannot be written") })
	close(stop)
	must(t, syscall.Mount("none", data, "tmpfs", syscall.MS_REMOUNT, "size=512m"))
	freed := time.Now()
	eventually(t, "it is ready again", func() bool { return strings.HasPrefix(d.readyz(), "ready") })
	t.Logf("ready %v after there was space", time.Since(freed).Round(time.Millisecond))
	wait()
	t.Logf("all acked after %v", time.Since(freed).Round(time.Millisecond))
	server.Cont()
	eventually(t, "all is stored", func() bool { return strings.Contains(d.readyz(), "spool: ok: 0 messages pending") })
	d.stop()
	c.run.judge(s.rows(), c.promised(), c.attempted()).fine(t, sum(c.attempted()))
	s.streams()
}
