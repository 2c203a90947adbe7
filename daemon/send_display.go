package daemon

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/ingestd/ingestd/client"
)

// display is the standard error of `ingestd send`: lines, and below them, on a
// terminal, a progress bar.
type display struct {
	mu  sync.Mutex
	out io.Writer
	bar *progressbar.ProgressBar // nil: none is shown
	end int64                    // of the bar; 0: nobody knows
}

func newDisplay(out io.Writer, end int) *display {
	d := &display{out: out, end: int64(end)}
	f, is := out.(*os.File)
	if !is || !term.IsTerminal(int(f.Fd())) {
		return d
	}
	most := d.end
	if most == 0 {
		most = -1
	}
	d.bar = progressbar.NewOptions64(most,
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetDescription("acked"),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("messages"),
		progressbar.OptionFullWidth(),
		progressbar.OptionClearOnFinish(),
	)
	return d
}

// Write takes a line of the log.
func (d *display) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bar != nil {
		_ = d.bar.Clear()
	}
	return d.out.Write(p)
}

func (d *display) line(format string, args ...any) {
	fmt.Fprintf(d, format+"\n", args...)
}

// watch moves the bar until stop is called, which takes it away.
func (d *display) watch(s *sending) (stop func()) {
	if d.bar == nil {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				pending := int64(s.client.Pending())
				d.mu.Lock()
				_ = d.bar.Set64(max(0, s.sent.Load()-pending))
				d.mu.Unlock()
			case <-quit:
				_ = d.bar.Finish()
				_ = d.bar.Clear()
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// most is how many of the ids that were not acked are named.
const most = 10

// summary tells what became of everything.
func (s *sending) summary(left *client.UnackedError, took time.Duration) {
	unacked := int64(0)
	if left != nil {
		unacked = int64(left.Count)
		for i, u := range left.Streams {
			if i == most {
				s.show.line("not acked: … of %d more ids", len(left.Streams)-most)
				break
			}
			s.show.line("not acked: id %s: %d, seq %d to %d", u.ID, u.Count, u.First, u.Last)
		}
	}
	sent, refused := s.sent.Load(), s.refused.Load()
	acked := max(0, sent-refused-unacked)
	s.show.line("sent %d, acked %d, refused %d, not acked %d: %.1f s, %.0f a second",
		sent, acked, refused+s.unfit.Load(), unacked, took.Seconds(), float64(acked)/max(took.Seconds(), 1e-3))
}
