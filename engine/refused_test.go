package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// refuseBad makes s refuse all streams but one.
func refuseBad(s *store) {
	s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
		for i, b := range batches {
			for j, m := range b.Messages {
				if m.ID != "good" {
					return 0, engine.Reject(i, j, errors.New("too long"))
				}
			}
		}
		return 0, nil
	}
}

// However many messages are refused, the log has a line at once, then one each ten
// seconds at most, with how many there were and the newest, and at the end the rest.
func TestRefusedLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := newStore()
		refuseBad(s)
		r := start(t, s, func(o *engine.Options) {
			o.Logger = hclog.New(&hclog.LoggerOptions{Output: &log, DisableTime: true})
			o.BatchSize = 1
		})
		send := func(n int) {
			for i := range n {
				r.send("bad\nid", fmt.Sprint(i))
				r.send("good", fmt.Sprint(i)) // or the sink would be taken to be at fault
				synctest.Wait()
			}
		}
		send(50)
		time.Sleep(time.Minute)
		send(30)
		r.end()
		var counts []string
		for line := range strings.Lines(log.String()) {
			if !strings.HasPrefix(line, `[WARN]  messages are refused: count=`) || !strings.Contains(line, ` id="bad\nid" seq=`) {
				t.Errorf("it says %s", line)
				continue
			}
			counts = append(counts, strings.Fields(line)[4])
		}
		if got := strings.Join(counts, " "); got != "count=1 count=49 count=1 count=29" {
			t.Errorf("it tells of %s", got)
		}
	})
}

// At level trace there is a line for each.
func TestRefusedAtTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := newStore()
		refuseBad(s)
		r := start(t, s, func(o *engine.Options) {
			o.Logger = hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Trace})
		})
		for i := range 20 {
			r.send("bad", fmt.Sprint(i))
		}
		r.end()
		if n := strings.Count(log.String(), "[TRACE] message refused: id="); n != 20 {
			t.Errorf("%d lines:\n%s", n, log.String())
		}
	})
}
