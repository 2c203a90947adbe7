package attack

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/child/childtest"
	"github.com/ingestd/ingestd/internal/long"
)

var drainAttacks = map[string]func(*attacker) error{
	// crowd is N clients. Most send, some are only there, and a tenth reads
	// nothing at all. Each that is alive tells with which code it was closed.
	"crowd": func(a *attacker) error {
		conns := make([]*raw, a.N)
		err := a.each(a.N, func(i int) (err error) {
			conns[i], err = a.websocket(i)
			return err
		})
		if err != nil {
			return err
		}
		var mu sync.Mutex
		codes := make(map[string]int)
		var alive sync.WaitGroup
		for i, c := range conns {
			switch {
			case i%10 == 9: // silent
				continue
			case i%2 == 0:
				go crowdSends(c, i)
			}
			alive.Go(func() {
				code := c.outcome(false)
				if code == 1001 { // what a library would do
					_, _ = c.Write(of(0x88, "\x03\xe9"))
				}
				mu.Lock()
				codes[strconv.Itoa(code)]++
				mu.Unlock()
				_, _ = io.Copy(io.Discard, c.r)
				_ = c.Close()
			})
		}
		a.tell("there", nil)
		alive.Wait()
		a.tell("closed", codes)
		return nil
	},
}

func crowdSends(c *raw, i int) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for seq := 1; ; seq++ {
		if _, err := c.Write(text(fmt.Sprintf(`{"id":"crowd %d","seq":%d,"data":%d}`, i, seq, seq))); err != nil {
			return
		}
		<-tick.C
	}
}

// drainTime is how long a drain may take, whatever the clients do.
const drainTime = 10 * time.Second

// N3: SIGTERM under load, again and again: each live client is told 1001, what was
// acked is stored, those who are silent hold nothing up, and the status is 0.
func TestDrains(t *testing.T) {
	drains, clients := long.Scale(2, 50), long.Scale(300, 1000)
	var slowest time.Duration
	for range drains {
		x := startAs(t, plan{args: []string{"--set=log.level=info"}, brief: true})
		e := attack(t, order{Attack: "crowd", Address: x.address(), N: clients})
		e.says("there")
		x.serves()
		x.finish()
		begun := time.Now()
		if err := x.daemon.Term(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), childtest.Patience)
		status, err := x.daemon.Wait(ctx)
		cancel()
		took := time.Since(begun)
		slowest = max(slowest, took)
		if status != 0 || err != nil {
			t.Errorf("exit status %d, %v", status, err)
		}
		if alive, codes := clients-clients/10, e.says("closed").Counts; codes["1001"] != alive || len(codes) != 1 {
			t.Errorf("%d live clients were closed with %v", alive, codes)
		}
		if long.On() && took > drainTime {
			t.Errorf("the drain took %v", took)
		}
		e.end()
		x.judge()
	}
	t.Logf("FIGURE N3: %d drains with %d clients, the slowest took %v", drains, clients, slowest.Round(time.Millisecond))
}
