package attack

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/client"
	"github.com/ingestd/ingestd/internal/child/childtest"
	"github.com/ingestd/ingestd/internal/drill"
	"github.com/ingestd/ingestd/internal/long"
)

// behaved is a client with a name that sends a little, all the time.
type behaved struct {
	t      *testing.T
	run    drill.Run
	ledger *drill.Ledger
	client *client.Client
	quit   chan struct{}
	work   sync.WaitGroup
	once   sync.Once

	// saturated says that the attack takes all that the daemon has, since no limit is
	// set: then others wait, and how long is only told.
	saturated bool

	mu    sync.Mutex
	sent  map[string][]sending
	took  []time.Duration // since the last look
	calms []time.Duration // what the looks gave
	waves []time.Duration // under attack
	lost  []string        // what its library says: nothing, unless the connection was lost
}

type sending struct {
	n  int64
	at time.Time
}

// pace is the time between two of its messages.
const pace = 4 * time.Millisecond

func behave(t *testing.T, url string, header http.Header, over *http.Client) *behaved {
	t.Helper()
	b := &behaved{
		t: t, run: drill.Run(fmt.Sprintf("attack-%x", rand.Uint64())), ledger: drill.NewLedger("behaved", true),
		quit: make(chan struct{}), sent: make(map[string][]sending),
	}
	ctx, cancel := context.WithTimeout(context.Background(), childtest.Patience)
	defer cancel()
	var err error
	b.client, err = client.Dial(ctx, url, client.Options{
		Name: b.ledger.Client, Header: header, HTTPClient: over, Acked: b.acked,
		Refused: func(r client.Refusal) { b.complain(r.Error()) },
		Logger:  hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: complaints{b}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.work.Go(b.send)
	t.Cleanup(func() {
		b.once.Do(func() { close(b.quit) })
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = b.client.Close(ctx)
		b.work.Wait()
	})
	return b
}

func (b *behaved) send() {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
		case <-b.quit:
			return
		}
		id := fmt.Sprintf("behaved-%d", i%20)
		n := b.ledger.Next(id)
		b.mu.Lock()
		b.sent[id] = append(b.sent[id], sending{n, time.Now()})
		b.mu.Unlock()
		err := b.client.Send(context.Background(), client.Message{
			ID: id, Seq: n, Time: drill.Time(n), Code: drill.Code(n), Data: b.run.Payload(drill.Key{Sender: b.ledger.Sender, ID: id}, n),
		})
		if err != nil {
			b.complain(err.Error())
			return
		}
	}
}

func (b *behaved) acked(id string, seq int64) {
	b.ledger.Acked(id, seq)
	b.mu.Lock()
	defer b.mu.Unlock()
	now, waiting := time.Now(), b.sent[id]
	for len(waiting) > 0 && waiting[0].n <= seq {
		b.took = append(b.took, now.Sub(waiting[0].at))
		waiting = waiting[1:]
	}
	b.sent[id] = waiting
}

func (b *behaved) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost = append(b.lost, text)
}

type complaints struct{ of *behaved }

func (c complaints) Write(p []byte) (int, error) {
	c.of.complain(string(p))
	return len(p), nil
}

// serves waits for acks of what is sent from now on.
func (b *behaved) serves() {
	b.t.Helper()
	_, before, _ := b.ledger.Counts()
	sent, _, _ := b.ledger.Counts()
	eventually(b.t, "the client that behaves is served", func() bool {
		_, acked, _ := b.ledger.Counts()
		return acked > max(before, sent)+10
	})
}

// samples is how many acks a look waits for.
func samples() int { return long.Scale(50, 500) }

// calm measures what the client gets without an attack, wave what it gets under
// one: what was acked since the last look.
func (b *behaved) calm() { b.t.Helper(); b.calms = append(b.calms, b.look()) }
func (b *behaved) wave() { b.t.Helper(); b.waves = append(b.waves, b.look()) }

// forget drops what was acked since the last look.
func (b *behaved) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.took = nil
}

// again repeats an attack that is over soon, in the long form until there is enough
// to measure of it.
func (b *behaved) again(attack func()) {
	b.t.Helper()
	for {
		attack()
		b.mu.Lock()
		n := len(b.took)
		b.mu.Unlock()
		if n >= samples() || !long.On() {
			return
		}
	}
}

// look gives the 99th percentile of the times to an ack since the last look.
func (b *behaved) look() time.Duration {
	b.t.Helper()
	eventually(b.t, "the client that behaves gets acks", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.took) >= samples()
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	took := b.took
	b.took = nil
	slices.Sort(took)
	return took[len(took)*99/100].Round(10 * time.Microsecond)
}

// noise is a percentile that says nothing: two of the slices of time that Go gives
// each goroutine while all processors are busy.
const noise = 20 * time.Millisecond

// finish ends the client once all is acked, and says how it fared.
func (b *behaved) finish() {
	b.t.Helper()
	b.once.Do(func() { close(b.quit) })
	b.work.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), childtest.Patience)
	defer cancel()
	if err := b.client.Close(ctx); err != nil {
		b.t.Errorf("the client that behaves: %v", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lost) > 0 {
		b.t.Errorf("the client that behaves says: %s", strings.Join(b.lost, "; "))
	}
	if len(b.waves) == 0 {
		return
	}
	calm, wave := median(b.calms), median(b.waves)
	sent, _, _ := b.ledger.Counts()
	b.t.Logf("FIGURE p99 of the acks: %v without and %v under the attack (%s: %d messages, by turns %v and %v)",
		calm, wave, b.t.Name(), sent, b.calms, b.waves)
	if long.On() && !b.saturated && wave > max(2*calm, noise) {
		b.t.Errorf("p99 of the acks rises from %v to %v", calm, wave)
	}
}

func median(looks []time.Duration) time.Duration {
	all := slices.Sorted(slices.Values(looks))
	return all[len(all)/2]
}
