package e2e

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A million ids with one message each: all are stored, the memory that it takes is
// bounded, and afterwards no stream is live.
func TestMillionStreams(t *testing.T) {
	const streams = 1_000_000
	args := []string{"--set=router.idle_timeout=1s"}
	dir := t.TempDir()
	bound := memoryBound(t, dir, args)
	d := start(t, dir, args...)
	const clients, frame = 4, 500
	conns := make([]*client, clients)
	for i := range conns {
		conns[i] = d.dial("")
	}
	begun := time.Now()
	each(t, clients, func(i int) error {
		var b strings.Builder
		for id := i; id < streams; {
			b.Reset()
			for n := 0; n < frame && id < streams; n++ {
				fmt.Fprintf(&b, `{"id":%d,"data":{"n":%d}}`, id, id)
				id += clients
			}
			if err := conns[i].send(b.String()); err != nil {
				return err
			}
		}
		return conns[i].mark()
	})
	taken := time.Since(begun)
	eventually(t, "everything is stored and forgotten", func() bool { return idle(d) })
	most := d.status("VmHWM") >> 10
	t.Logf("%d streams: taken after %v, forgotten after %v; at most %d of %d MiB, now %d MiB", streams,
		taken.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond), most, bound, d.status("VmRSS")>>10)
	if most > bound {
		t.Errorf("%d MiB were in memory, and %d are the bound", most, bound)
	}

	s := sqliteStore(t, dir)
	if n := s.number("SELECT count(*) FROM messages WHERE data = '{\"n\":' || id || '}'"); n != streams {
		t.Errorf("%d of %d messages are stored", n, streams)
	}
	if n := s.number("SELECT count(*) FROM streams WHERE messages = 1"); n != streams {
		t.Errorf("%d of %d streams are stored", n, streams)
	}
	if n := d.stop(); n["stored"] != streams {
		t.Errorf("the daemon counts %v", n)
	}
	d.quiet()
}

var holds = regexp.MustCompile(`The most memory it can hold at once: ([0-9.]+) (MiB|GiB),`)

// memoryBound is the most MiB that may be resident with these settings: twice what
// ingestd check says that it can hold, since the collector lets the heap grow to
// that, and twice the 2.1 MiB that each of the four connections may take.
func memoryBound(t *testing.T, dir string, args []string) int {
	t.Helper()
	program, err := plain()
	must(t, err)
	cmd := exec.Command(program, append([]string{"check"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	must(t, err)
	m := holds.FindSubmatch(out)
	if m == nil {
		t.Fatalf("check says nothing of memory:\n%s", out)
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	must(t, err)
	if string(m[2]) == "GiB" {
		n *= 1024
	}
	return int(2*n) + 4*2*21/10
}
