package nats

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// errStop says that nothing more of the partition is to be routed.
var errStop = errors.New("nothing more is routed")

// follow routes what the partition has behind its floor, and what comes, until one of
// the contexts ends: the first lets a carrier that is begun be routed to its end.
func (p *partition) follow(reading, routing context.Context) {
	t := &tail{
		nc: p.s.nc, js: p.s.js, log: p.log, pace: &p.s.pace,
		stream: p.s.stream.name, created: p.s.stream.created,
		subject: jet.Subject(p.s.stream.subject, p.number),
		next:    p.window.floor + 1,
		using:   func(name string) { p.taken.Store(0); p.consumer.Store(name) },
	}
	last := p.window.at // when what is before t.next was stored
	t.opened = func(ctx context.Context, info *jetstream.StreamInfo) error {
		return p.compare(ctx, t, info, last)
	}
	t.read = func(_ context.Context, m *natsgo.Msg, meta *natsgo.MsgMetadata) error {
		if reading.Err() != nil {
			return errStop
		}
		last = meta.Timestamp
		p.unread.Store(meta.NumPending)
		p.taken.Store(meta.Sequence.Consumer)
		err := p.carrier(routing, m, meta)
		if errors.Is(err, jet.ErrNewer) {
			<-reading.Done()
		}
		return err
	}
	if err := t.run(reading); errors.Is(err, errGone) {
		p.s.fail(err)
	}
}

// shortTries is how often a stream must be found shorter than it was until that is
// believed: a server that was cut off from the others may be asked, once.
const shortTries = 8

// compare looks whether what was read last is in the stream as it was. Where it is
// not, the stream has lost its end, as a server does that is switched off before it
// has synced, and has given, or will give, the same numbers again. Then it is
// read from its beginning: what is stored already is known by its keys.
func (p *partition) compare(ctx context.Context, t *tail, info *jetstream.StreamInfo, stored time.Time) error {
	before := t.next - 1
	if before == 0 {
		return nil
	}
	if info.State.LastSeq >= before {
		stream, err := p.s.js.Stream(ctx, p.s.stream.name)
		if err != nil {
			return err
		}
		m, err := stream.GetMsg(ctx, before)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			if info, err = stream.Info(ctx); err != nil || info.State.FirstSeq > before { // it was purged
				return err
			}
		case err != nil:
			return err
		case stored.IsZero() || m.Time.Equal(stored):
			return nil
		}
	} else if p.short++; p.short < shortTries {
		return errors.New("the stream is shorter than it was") // as a server sees it that is behind
	}
	p.short = 0
	p.log.Error("the stream has lost its end and is read from its beginning; what was in that end, and was not stored, is lost",
		"floor", before, "last", info.State.LastSeq)
	t.next = 1
	return nil
}

// carrier routes one.
func (p *partition) carrier(ctx context.Context, m *natsgo.Msg, meta *natsgo.MsgMetadata) error {
	if !p.room(ctx) {
		return errStop
	}
	counts := &p.s.r.counts
	c, err := jet.ReadCarrier(m.Data)
	entry := carrier{seq: meta.Sequence.Stream, at: meta.Timestamp}
	switch {
	case errors.Is(err, jet.ErrNewer):
		p.newer.Store(true)
		p.log.Error("the partition waits: it has a carrier that a newer ingestd wrote; upgrade this one", "sequence", entry.seq)
		return err
	case err != nil:
		counts.foreign.Add(1)
		p.s.r.tell(&p.s.r.foreign, hclog.Warn, "messages that no ingestd wrote are skipped", "subject", m.Subject, "sequence", entry.seq)
		p.add(entry)
		return nil
	}
	entry.header, entry.ours = c.Header, true
	if p.read.stale(c.Header) && !seedbug.Is("reader-takes-stale") {
		counts.stale.Add(1)
		p.add(entry)
		return nil
	}
	p.read.pass(c.Header, entry.at)
	if p.passed++; p.passed%forgetEvery == 0 {
		p.read.forget(entry.at)
	}
	counts.carriers.Add(1)
	entry.left = c.Messages + c.Ends
	return p.route(ctx, c, p.add(entry), entry.left)
}

// add puts a carrier into the window.
func (p *partition) add(c carrier) int64 {
	if c.left > 0 {
		p.s.r.open.Add(1)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	place := p.window.add(c)
	p.window.advance()
	return place
}

// route routes the messages of a carrier, in their order.
func (p *partition) route(ctx context.Context, c *jet.Carrier, place int64, count int) error {
	var m engine.Message
	var id string
	var ids []byte
	reports, err := 0, error(nil)
	for c.Next(&m) {
		m.Tag, m.Lease = place, p.lease
		refused := errNoNumber
		if m.Kind != engine.Report || m.Seq != 0 {
			refused = p.accept(ctx, &m)
		}
		if errors.Is(refused, errStop) {
			err = refused
			break
		}
		count--
		if refused != nil {
			p.mu.Lock()
			p.settle(place, 1, true)
			p.mu.Unlock()
			p.s.r.counts.refused.Add(1)
			p.s.r.tell(&p.s.r.malformed, hclog.Warn, "messages are not taken", "error", hclog.Quote(refused.Error()))
			continue
		}
		if m.Kind == engine.Report {
			reports++
		}
		if m.ID != id {
			id = m.ID
			ids = appendID(ids, id)
		}
	}
	p.s.r.counts.messages.Add(uint64(reports))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.window.note(place, ids)
	p.settle(place, count, false) // what was not routed
	return err
}

// errNoNumber is for a message that would get another number with each reading, and be
// stored as often. No sink writes such a one.
var errNoNumber = engine.Permanent(errors.New("a message without a number"))

// The waits for room where the router does not wait itself.
const (
	leastPause = 5 * time.Millisecond
	mostPause  = time.Second
)

// accept hands a message to the router. It returns a permanent error where that
// refuses it, and errStop where nothing more is to be routed.
func (p *partition) accept(ctx context.Context, m *engine.Message) error {
	for wait := leastPause; ; wait = min(2*wait, mostPause) {
		err := p.s.router.Route(ctx, *m, p)
		switch {
		case err == nil:
			return nil
		case engine.IsPermanent(err):
			return err
		case ctx.Err() != nil, errors.Is(err, engine.ErrClosed), !pause(ctx, wait):
			return errStop
		}
	}
}

// room waits until there is room in the window. Nobody waits for a linger.
func (p *partition) room(ctx context.Context) bool {
	p.mu.Lock()
	full := p.window.full()
	p.mu.Unlock()
	if !full {
		return ctx.Err() == nil
	}
	p.flush(ctx)
	for {
		p.mu.Lock()
		roomy := p.window.roomy()
		p.mu.Unlock()
		if roomy {
			return true
		}
		select {
		case <-p.changed:
		case <-ctx.Done():
			return false
		}
	}
}
