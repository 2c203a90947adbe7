package chaos

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/child/childtest"
	"github.com/ingestd/ingestd/internal/drill"
	"github.com/ingestd/ingestd/internal/long"
	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// The database is away for as long as it takes to send what 10 minutes bring at
// 5,000 messages a second (in the short form, 10 seconds at 2,000). The spool takes
// all of it, in the same memory; then the daemon is killed, and the next one stores
// the backlog while new messages come, everything in order.
func TestSinkAway(t *testing.T) {
	server := mariadbtest.New(t)
	s := onMySQL(t, server.DSN(t), append(slices.Clone(spooled), "--set=admin.listen=127.0.0.1:0",
		"--set=delivery.retry_max=1s", "--set=router.batch_wait=1s", fmt.Sprintf("--set=router.max_pending=%dMiB", long.Scale(2, 16)))...)
	rate, seconds := long.Scale(2000, 5000), long.Scale(10, 600)
	s.begin(s.listen(), drill.LoadConfig{Named: 6, Nameless: 2, IDs: 200, Rate: rate})

	server.Kill()
	from, begun := s.load.Acked(), time.Now()
	away := int64(rate * seconds)
	const parts, full = 20, 5 // after so many of them the lanes are full
	early, most := 0, 0
	for part := range int64(parts) {
		s.acks(from + away*(part+1)/parts)
		if status := s.readyz(); status != http.StatusOK {
			t.Errorf("readyz says %d", status)
		}
		if part+1 == full {
			early = s.resident()
		}
		most = max(most, s.resident())
	}
	_, _, refused := s.load.Counts()
	t.Logf("away for %v: %d messages acked, %d refused; %d MiB on disk; %d MiB in memory at a quarter, %d at the most",
		time.Since(begun).Round(time.Millisecond), s.load.Acked()-from, refused, s.onDisk()>>20, early>>10, most>>10)
	if most > early*11/10+16<<10 {
		t.Errorf("the memory grew from %d to %d KiB", early, most)
	}

	server.Restart(t)
	s.daemon.Kill() // the next one has a spool that is full of what was acked
	s.again()
	ctx, cancel := context.WithTimeout(context.Background(), 10*childtest.Patience)
	defer cancel()
	took, _ := s.daemon.Ready(ctx)
	t.Logf("a daemon with this spool is ready after %v", took.Round(time.Millisecond))
	backlog, back := s.load.Acked(), time.Now()
	s.works() // new messages are taken while the old ones are stored
	if err := s.tables.AwaitStored(ctx, backlog); err != nil {
		t.Fatal(err)
	}
	took = time.Since(back)
	t.Logf("%d messages are stored %v after the database is back, %.0f a second, and %d new ones are acked meanwhile",
		backlog, took.Round(time.Millisecond), float64(away)/took.Seconds(), s.load.Acked()-backlog)
	s.end(away)
}

// acks waits until n messages are acked.
func (s *subject) acks(n int64) {
	s.t.Helper()
	ctx, cancel := s.patience()
	defer cancel()
	if err := s.load.AwaitAcks(ctx, n-1); err != nil {
		s.t.Fatalf("%d of %d messages are acked: %v\n%s", s.load.Acked(), n, err, s.daemon.Log())
	}
}

var rss = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// resident is how much memory the daemon has, in KiB.
func (s *subject) resident() int {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.daemon.Pid()))
	if err != nil {
		s.t.Fatal(err)
	}
	m := rss.FindSubmatch(text)
	if m == nil {
		s.t.Fatalf("no memory in %s", text)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// onDisk is how many bytes the files of the daemon have.
func (s *subject) onDisk() (n int64) {
	s.t.Helper()
	err := filepath.Walk(s.dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil // a file may go while we look
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// readyz is the status of /readyz.
func (s *subject) readyz() int {
	s.t.Helper()
	resp, err := http.Get(s.daemon.Admin() + "/readyz")
	if err != nil {
		s.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}
