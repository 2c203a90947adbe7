package cluster

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/child/childtest"
	"github.com/ingestd/ingestd/internal/drill"
	"github.com/ingestd/ingestd/internal/listen"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/internal/natstest"
)

// plant is the chain, and its clients.
type plant struct {
	t       *testing.T
	nodes   *natstest.Nodes // nil where the edges write the database themselves
	edges   []*daemon
	writers []*daemon

	balancer *balancer
	log      *stream // nil, too

	dsn    string
	db     *sql.DB
	tables *drill.Tables
	begun  time.Time
	seed   uint64
	run    drill.Run
	load   *drill.Load
	enders []*ender
	watch  *watch
}

// newPlant is a database, and nothing yet that writes it.
func newPlant(t *testing.T) *plant {
	t.Helper()
	dsn := mariadbtest.DSN(t)
	tables, err := drill.OpenMySQL(t.Context(), dsn, "messages", "streams")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tables.Close() })
	p := &plant{t: t, begun: time.Now(), dsn: dsn, db: mariadbtest.DB(t, dsn), tables: tables, seed: rand.Uint64()}
	t.Logf("seed %d", p.seed)
	p.run = drill.Run(fmt.Sprintf("cluster-%x", p.seed))
	return p
}

// alone is two daemons that write the database.
func alone(t *testing.T) *plant {
	t.Helper()
	p := newPlant(t)
	p.listen("daemon.hcl", "DSN="+p.dsn)
	for _, d := range p.edges {
		d.start()
	}
	return p
}

// chained is the whole chain.
func chained(t *testing.T) *plant {
	t.Helper()
	p := newPlant(t)
	p.nodes = natstest.StartNodes(t, 3)
	var env []string
	for i, url := range p.nodes.URLs() {
		env = append(env, fmt.Sprintf("NATS_%d=%s", i+1, url))
	}
	p.listen("edge.hcl", env...)
	for i, edge := range p.edges {
		edge.start() // the first one makes the stream
		p.writers = append(p.writers, newDaemon(t, fmt.Sprintf("writer-%d", i+1), "writer.hcl", append(env, "DSN="+p.dsn)...))
		p.writers[i].start()
	}
	p.log = openStream(t, p.nodes.URLs())
	p.shared()
	return p
}

// listen makes the two edges, with this configuration, and the balancer.
func (p *plant) listen(config string, env ...string) {
	p.t.Helper()
	addresses, err := listen.Spare(2)
	if err != nil {
		p.t.Fatal(err)
	}
	for i, address := range addresses {
		p.edges = append(p.edges, newDaemon(p.t, fmt.Sprintf("edge-%d", i+1), config, append(env, "LISTEN="+address)...))
	}
	p.balancer = newBalancer(p.t, addresses...)
}

// begin lets clients send, and waits for the first acks and rows.
func (p *plant) begin(cfg drill.LoadConfig) {
	p.t.Helper()
	cfg.Run, cfg.URL, cfg.Seed = p.run, "ws://"+p.balancer.address()+"/ws", p.seed
	var err error
	if p.load, err = drill.StartLoad(context.Background(), cfg); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(p.load.Close)
	p.works()
	p.watch = startWatch(p.t, p.db)
}

// works waits until more is acked, and more is stored, than now.
func (p *plant) works() {
	p.t.Helper()
	ctx, cancel := patience()
	defer cancel()
	if err := p.load.AwaitAcks(ctx, p.load.Acked()+50); err != nil {
		p.t.Fatalf("nothing is acked any more: %v", err)
	}
	stored := p.stored()
	p.eventually("more rows", func() error {
		if now := p.stored(); now <= stored {
			return fmt.Errorf("there are %d", now)
		}
		return nil
	})
}

// stored is how many messages the rows of the streams tell of.
func (p *plant) stored() (n int64) {
	p.t.Helper()
	if err := p.db.QueryRowContext(p.t.Context(), "SELECT COALESCE(SUM(messages), 0) FROM streams").Scan(&n); err != nil {
		p.t.Fatal(err)
	}
	return n
}

// shared waits until each writer that runs has its share of the partitions, and
// gives them.
func (p *plant) shared() map[string][]int {
	p.t.Helper()
	var shares map[string][]int
	p.eventually("each writer has its share of the partitions", func() (err error) {
		if shares, err = p.log.shares(p.t.Context()); err != nil {
			return err
		}
		for _, w := range p.writers {
			if len(shares[w.name]) != p.log.partitions/len(p.writers) {
				return fmt.Errorf("they are %v", shares)
			}
		}
		return nil
	})
	return shares
}

// end has everything acked and stored, drains the daemons, and expects that every
// message is stored once, in order, as it was sent, and at least so many.
func (p *plant) end(least int64) {
	p.t.Helper()
	ctx, cancel := patience()
	defer cancel()
	if err := p.load.Finish(ctx); err != nil {
		p.t.Error(err)
	}
	ledgers := p.load.Ledgers
	for _, e := range p.enders {
		e.finish(ctx)
		ledgers = append(ledgers, e.ledger)
	}
	p.drain()
	v, err := drill.Verify(context.Background(), p.run, ledgers, p.tables)
	p.t.Logf("%+v", v)
	if err != nil || !v.Fine() || v.Stored != v.Sent {
		p.t.Errorf("something is wrong: %+v, %v", v, err)
	}
	if v.Acked < least {
		p.t.Errorf("%d messages are acked, fewer than %d prove nothing", v.Acked, least)
	}
	for _, e := range p.enders {
		e.check(p.db)
	}
	for _, target := range p.balancer.targets {
		if p.balancer.count(target) == 0 {
			p.t.Errorf("void: nobody was connected to %s", target)
		}
	}
}

// drain waits until all that was acked is stored, and ends the daemons.
func (p *plant) drain() {
	p.t.Helper()
	acked := p.load.Acked()
	for _, e := range p.enders {
		_, n, _ := e.ledger.Counts()
		acked += n
	}
	// What piled up takes as long as it takes, as long as it gets less.
	if err := p.tables.AwaitStored(context.Background(), acked); err != nil {
		p.t.Error(err)
	}
	if p.log != nil {
		p.eventually("the writers have settled what the stream holds", func() error { return p.log.lag(p.t.Context()) })
	}
	for _, d := range append(p.edges, p.writers...) {
		d.stop()
	}
	p.watch.stop()
}

// eventually waits until what is looked at has no fault.
func (p *plant) eventually(what string, fault func() error) {
	p.t.Helper()
	eventually(p.t, what, fault)
}

func eventually(t *testing.T, what string, fault func() error) {
	t.Helper()
	deadline := time.After(childtest.Patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := fault()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("in vain: %s: %v", what, err)
		}
	}
}
