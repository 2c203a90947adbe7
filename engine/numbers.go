package engine

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/internal/seedbug"
)

// A number of our own is
//
//	1<<62 | milliseconds since 2024 << 21 | node << 9 | counter
//
// so it is above every client's number, ascends with time, and differs from those
// of other nodes. Within a process the milliseconds come from the monotonic clock
// and start above the high-water mark that the last process reserved, so neither a
// restart nor a step of the clock repeats a number.
const (
	counterBits = 9
	nodeBits    = 12
	maxNode     = 1<<nodeBits - 1
	maxMillis   = 1<<(62-nodeBits-counterBits) - 1

	reserveAhead = 10_000 // milliseconds that are reserved at a time
	reserveEvery = 5 * time.Second
)

var numbersEpoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// Numbers gives messages numbers of the server's own. They are above those of all
// clients, ascend with time, and are unique over restarts, steps of the clock and
// servers with different nodes. An [Engine] has one; a Router in front of it that
// numbers messages itself, as the spool does, uses the same. It is safe for
// concurrent use.
type Numbers struct {
	clock *clock
	path  string // of the high-water mark; empty: none is kept
	node  int64
	base  int64 // milliseconds since 2024 at the start of the engine's clock
	limit atomic.Int64

	short chan struct{} // somebody waits for numbers

	mu     sync.Mutex    // guards what follows
	wanted int64         // the last millisecond that is waited for
	since  time.Time     // since when somebody waits
	failed error         // why the last try to reserve failed
	raised chan struct{} // closed and replaced whenever limit is raised
}

// openNumbers reads the high-water mark in dir, where dir is not empty, and
// reserves the first numbers. clock is the engine's.
func openNumbers(dir string, node int, clock *clock) (*Numbers, error) {
	n := &Numbers{clock: clock, node: int64(node), short: make(chan struct{}, 1), raised: make(chan struct{})}
	n.base = max(0, clock.start.UnixMilli()-numbersEpoch.UnixMilli())
	if dir == "" {
		if n.node == 0 {
			n.node = randomNode()
		}
		n.limit.Store(math.MaxInt64)
		return n, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	n.path = filepath.Join(dir, "numbers")
	kept, mark, err := readNumbers(n.path)
	if err != nil {
		return nil, err
	}
	if n.node == 0 {
		n.node = kept
	}
	if n.node == 0 {
		n.node = randomNode()
	}
	if !seedbug.Is("engine-forget-high-water-mark") {
		n.base = max(n.base, mark+1)
	}
	return n, n.reserve(clock.now())
}

// readNumbers reads what reserve wrote. A file that is missing is no error.
func readNumbers(path string) (node, mark int64, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read the high-water mark of numbers: %w", err)
	}
	_, err = fmt.Sscanf(string(text), "ingestd numbers 1\nnode %d\nreserved %d\n", &node, &mark)
	if err != nil || node < 1 || node > maxNode || mark < 0 || mark > maxMillis {
		return 0, 0, fmt.Errorf("read the high-water mark of numbers: %s is damaged: "+
			"delete it if this machine's clock is right and has not been set back", path)
	}
	return node, mark, nil
}

func randomNode() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return int64(binary.LittleEndian.Uint64(b[:])%maxNode) + 1
}

// Next gives the number after last, which is the one that the caller got before,
// or 0. Callers that number one stream must take turns, and pass on the last. While
// no number is reserved, because the disk does not take the mark, it gives a
// channel instead that is closed when it is time to ask again.
func (n *Numbers) Next(last int64) (seq int64, wait <-chan struct{}) {
	seq, ok := n.next(last, n.clock.now())
	if !ok {
		return 0, n.wait(seq)
	}
	return seq, nil
}

// next gives the number after last at the instant now. ok tells whether its
// milliseconds have been reserved; if not, wait for them and ask again.
func (n *Numbers) next(last, now int64) (seq int64, ok bool) {
	seq = n.number(n.base + now/int64(time.Millisecond))
	if seq <= last {
		// The same millisecond, or more than 512 in one before it. The counter
		// must not run over into the node.
		if seq = last + 1; seq&(1<<counterBits-1) == 0 {
			seq = n.number(millis(last) + 1)
		}
	}
	return seq, millis(seq) < n.limit.Load()
}

// number is the first of a millisecond.
func (n *Numbers) number(ms int64) int64 {
	return FirstOwnSeq | ms<<(nodeBits+counterBits) | n.node<<counterBits
}

func millis(seq int64) int64 { return seq &^ FirstOwnSeq >> (nodeBits + counterBits) }

// reserve makes the numbers of the next seconds safe to give.
func (n *Numbers) reserve(now int64) error {
	n.mu.Lock()
	mark := max(n.base+now/int64(time.Millisecond), n.wanted) + reserveAhead
	n.mu.Unlock()
	text := fmt.Sprintf("ingestd numbers 1\nnode %d\nreserved %d\n", n.node, mark)
	err := os.MkdirAll(filepath.Dir(n.path), 0o755)
	if err == nil {
		err = replaceFile(n.path, []byte(text))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		n.failed = fmt.Errorf("reserve numbers: %w", err)
		return n.failed
	}
	n.limit.Store(mark)
	n.since, n.failed = time.Time{}, nil
	close(n.raised)
	n.raised = make(chan struct{})
	return nil
}

// trouble tells since when senders wait for numbers, and why.
func (n *Numbers) trouble() (since time.Time, why error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.since, n.failed
}

// wait returns a channel that is closed once more numbers are reserved. That takes
// time only while the disk does not take the mark, or one stream gets more than
// half a million messages a second.
func (n *Numbers) wait(seq int64) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wanted = max(n.wanted, millis(seq))
	if n.since.IsZero() {
		n.since = time.Now()
	}
	select {
	case n.short <- struct{}{}:
	default:
	}
	return n.raised
}

// keepReserving is a goroutine of the engine.
func (n *Numbers) keepReserving(clock *clock, log hclog.Logger, stop <-chan struct{}) {
	if n.path == "" {
		return
	}
	ticker := time.NewTicker(reserveEvery)
	defer ticker.Stop()
	failures := 0
	for {
		select {
		case <-ticker.C:
		case <-n.short:
			if failures > 0 {
				continue // at the ticker's pace, while the disk fails
			}
		case <-stop:
			return
		}
		err := n.reserve(clock.now())
		switch {
		case err != nil:
			if failures++; failures == 1 {
				log.Warn("numbers cannot be reserved: unnumbered messages wait once those in hand are used up", "error", err)
			}
		case failures > 0:
			log.Info("numbers are reserved again", "failures", failures)
			failures = 0
		}
	}
}

// replaceFile puts a new file in the place of an old one, durably and at once.
func replaceFile(path string, content []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	return err
}
