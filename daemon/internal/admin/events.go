package admin

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/api"
)

// board is where the sampler puts what all pages are shown. A page that is slow
// misses some; nothing is kept for it.
type board struct {
	mu       sync.Mutex
	watchers int
	frame    frame
	next     chan struct{} // closed with the next frame
}

// frame is what is shown in one second, as it is sent.
type frame struct {
	status  []byte
	streams []byte // of this second or the one before; nil: none
	turn    int    // counts the streams that were shown
}

// watch counts who looks, so that nothing is made for nobody.
func (b *board) watch(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers += n
}

func (b *board) watched() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.watchers > 0
}

// show puts up a frame.
func (b *board) show(f frame) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.frame = f
	close(b.next)
	b.next = make(chan struct{})
}

func (b *board) look() (f frame, next <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.frame, b.next
}

// sample fills the history, each second, and makes what pages are shown while there
// are any.
func (s *Server) sample() {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case now := <-ticker.C:
			s.tick(now, n)
		case <-s.ctx.Done():
			return
		}
	}
}

// mostTick bounds what a tick waits for, as the count of dead letters.
const mostTick = 2 * time.Second

func (s *Server) tick(now time.Time, n int) {
	d := s.daemon.Load()
	if d.Sample != nil {
		s.history.add(now, d.Sample())
	}
	if !s.board.watched() {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, mostTick)
	defer cancel()
	f, _ := s.board.look()
	f.status = event("status", api.StatusEvent{Status: s.describe(ctx, d), Point: s.history.last()})
	if d.Engine != nil && n%2 == 0 {
		f.streams = event("streams", s.busiest.look(d, now))
		f.turn++
	}
	s.board.show(f)
}

func event(name string, v any) []byte {
	var out bytes.Buffer
	out.WriteString("event: " + name + "\ndata: ")
	out.Write(encode(v)) // it ends with a newline, and has no other
	out.WriteByte('\n')
	return out.Bytes()
}

// How long a page may leave what it is sent in the socket.
const eventTimeout = 5 * time.Second

// What a page is shown of a tail each second.
var eventBounds = Bounds{Messages: 100, Bytes: 1 << 20, Data: 16 << 10}

// getEvents tells a page what happens until it goes away.
func (s *Server) getEvents(d *Daemon, w http.ResponseWriter, r *http.Request) {
	out, ok := s.last(s.events, w, r, "text/event-stream", eventTimeout)
	if !ok {
		return
	}
	defer out.close()
	s.board.watch(1)
	defer s.board.watch(-1)
	if out.send([]byte("retry: 2000\n: ingestd\n\n")) != nil {
		return
	}
	var tail *Look
	if d.Tap != nil && r.URL.Query().Get("tail") == "1" {
		b := eventBounds
		b.ID = r.URL.Query().Get("id")
		tail = d.Tap.Look(b)
		defer tail.Close()
	}
	_, next := s.board.look() // what is there may be of long ago
	for turn := 0; ; {
		select {
		case <-next:
		case <-out.gone:
			return
		}
		var f frame
		f, next = s.board.look()
		text := f.status
		if f.turn != turn {
			turn = f.turn
			text = append(bytes.Clone(text), f.streams...)
		}
		if tail != nil {
			if seen, dropped := tail.Take(); len(seen) > 0 || dropped > 0 {
				text = append(bytes.Clone(text), event("messages", api.MessagesEvent{Messages: messages(seen), Dropped: dropped})...)
			}
		}
		if out.send(text) != nil {
			return
		}
	}
}
