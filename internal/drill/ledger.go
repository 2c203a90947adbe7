package drill

import (
	"cmp"
	"slices"
	"sync"
)

// Ledger is what one sender did, and what it was promised. Its methods may be
// called from any goroutine.
type Ledger struct {
	// Sender is the name in the payloads. It needs no escaping in JSON.
	Sender string

	// Client is the name that the rows bear: Sender, or nothing where the daemon
	// gives the numbers.
	Client string

	mu       sync.Mutex
	accounts map[string]*account // by id
	sent     int64
	acked    int64
	refused  int64
}

// account is what a ledger says of one id.
type account struct {
	sent    int64 // messages 1 to sent were sent, in this order
	epochs  []epoch
	refused map[int64]bool
}

// epoch is a part of an account whose acks are cumulative. Each connection of a
// nameless client is one; one with a name sends again what was not acked, so that
// all of its connections are one.
type epoch struct {
	first int64
	acked int64 // first to acked are promised; less than first: none
}

// epochOf says in which epoch message n was sent.
func (a *account) epochOf(n int64) int {
	i, found := slices.BinarySearchFunc(a.epochs, n, func(e epoch, n int64) int { return cmp.Compare(e.first, n) })
	if !found {
		i--
	}
	return i
}

// NewLedger is an empty one. A nameless sender has a name only in its payloads.
func NewLedger(sender string, named bool) *Ledger {
	l := &Ledger{Sender: sender, accounts: make(map[string]*account)}
	if named {
		l.Client = sender
	}
	return l
}

// Next notes that one more message to id is going to be sent, and gives its
// number.
func (l *Ledger) Next(id string) (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[id]
	if a == nil {
		a = &account{epochs: []epoch{{first: 1}}}
		l.accounts[id] = a
	}
	a.sent++
	l.sent++
	return a.sent
}

// Acked notes an ack: n and everything before it, back to the last Cut, is
// promised.
func (l *Ledger) Acked(id string, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[id]
	if a == nil {
		return
	}
	e := &a.epochs[len(a.epochs)-1]
	if from := max(e.acked, e.first-1); n > from {
		l.acked += n - from
		e.acked = n
	}
}

// Refused notes that message n was refused for good.
func (l *Ledger) Refused(id string, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[id]
	if a == nil || a.refused[n] {
		return
	}
	if a.refused == nil {
		a.refused = make(map[int64]bool)
	}
	a.refused[n] = true
	l.refused++
}

// Cut notes that the connection of a nameless client has ended: what was not
// acked never will be.
func (l *Ledger) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.accounts {
		if a.epochs[len(a.epochs)-1].first <= a.sent {
			a.epochs = append(a.epochs, epoch{first: a.sent + 1})
		}
	}
}

// Counts says how many messages were sent, acked, and refused.
func (l *Ledger) Counts() (sent, acked, refused int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent, l.acked, l.refused
}
