package admin

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// Tap is a Router in front of another one, and shows whoever looks what that has
// accepted: reports and dones. While nobody looks it costs a load and a call for
// each message. It never waits: who is slow misses messages, and is told how many.
type Tap struct {
	next   engine.Router
	looked atomic.Pointer[[]*Look] // nil: nobody looks

	mu sync.Mutex // held while looked is replaced
}

var _ engine.Router = (*Tap)(nil)

// NewTap makes a Tap in front of next.
func NewTap(next engine.Router) *Tap { return &Tap{next: next} }

// Route implements [engine.Router].
func (t *Tap) Route(ctx context.Context, m engine.Message, p engine.Producer) error {
	err := t.next.Route(ctx, m, p)
	if looks := t.looked.Load(); looks != nil && (err == nil || seedbug.Is("tap-shows-refused")) {
		show(*looks, &m)
	}
	return err
}

// show gives m to those that look. m.ID and m.Data are still the message's: they
// are the caller's again when Route returns.
func show(looks []*Look, m *engine.Message) {
	if m.Kind != engine.Report && m.Kind != engine.Done {
		return
	}
	for _, l := range looks {
		if l.bounds.ID == "" || l.bounds.ID == m.ID {
			l.add(m)
		}
	}
}

// Bounds say what a Look takes, and how much of it.
type Bounds struct {
	ID       string // of this stream alone; empty: of all
	Messages int    // that wait to be read, at most
	Bytes    int    // that their data takes, at most
	Data     int    // larger data is left out
}

// Look gives a view of what is accepted from now on. It is to be closed.
func (t *Tap) Look(b Bounds) *Look {
	l := &Look{tap: t, bounds: b, ready: make(chan struct{}, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	var looks []*Look
	if old := t.looked.Load(); old != nil {
		looks = *old
	}
	looks = append(slices.Clone(looks), l)
	t.looked.Store(&looks)
	return l
}

// Look is a view of accepted messages, those that wait to be read.
type Look struct {
	tap    *Tap
	bounds Bounds
	ready  chan struct{} // has something once something waits

	mu      sync.Mutex
	waiting []Seen
	bytes   int
	dropped uint64
}

// Seen is a message that was accepted.
type Seen struct {
	engine.Message
	Cut bool // its data was too large, and is left out
}

// add copies m, if there is room. Messages of one stream come in their order, since
// a stream's sender is in Route for one at a time.
func (l *Look) add(m *engine.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	cut := len(m.Data) > l.bounds.Data
	size := len(m.ID)
	if !cut {
		size += len(m.Data)
	}
	if len(l.waiting) >= l.bounds.Messages || l.bytes+size > l.bounds.Bytes {
		l.dropped++
	} else {
		s := Seen{Message: *m, Cut: cut}
		s.ID, s.Data = strings.Clone(m.ID), nil
		if !cut {
			s.Data = bytes.Clone(m.Data)
		}
		l.waiting = append(l.waiting, s)
		l.bytes += size
	}
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// Ready has something once there is something to take.
func (l *Look) Ready() <-chan struct{} { return l.ready }

// Take gives what waits, in the order of acceptance, and how many others came after
// these, since the last call, that there was no room for.
func (l *Look) Take() (seen []Seen, dropped uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen, dropped = l.waiting, l.dropped
	l.waiting, l.bytes, l.dropped = nil, 0, 0
	return seen, dropped
}

// Close ends it.
func (l *Look) Close() {
	t := l.tap
	t.mu.Lock()
	defer t.mu.Unlock()
	looks := slices.DeleteFunc(slices.Clone(*t.looked.Load()), func(o *Look) bool { return o == l })
	if len(looks) == 0 {
		t.looked.Store(nil)
		return
	}
	t.looked.Store(&looks)
}
