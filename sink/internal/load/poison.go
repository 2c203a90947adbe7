package load

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// Poison is a way to make a message that the sink refuses.
type Poison struct {
	Name  string
	Code  string // that the refusal has
	Spoil func(m *engine.Message)
}

// Poisoned sends n messages through a new engine, of which bad are spoilt at random
// places, in all the ways in turn, and checks that just these are refused, each
// with its code, the others stored, and nobody out of order. It tells how long that
// took. Without any ways it is the clean run to compare with.
func Poisoned(tb testing.TB, s engine.Sink, n, bad int, ways []Poison) time.Duration {
	tb.Helper()
	const ids = 1000
	seed := rand.Uint64()
	tb.Logf("the places are those of seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	places := make(map[int]*Poison, bad)
	for k := 0; len(places) < bad && len(ways) > 0; {
		at := random.IntN(n)
		if places[at] == nil {
			places[at] = &ways[k%len(ways)]
			k++
		}
	}
	o := Options()
	o.BatchWait = time.Second
	e := Run(tb, s, o)
	start := time.Now()
	want := make(map[Key]*Poison, bad)
	original := make(map[Key]string, bad)
	for k := range n {
		m := Message(fmt.Sprintf("stream-%03d", k%ids), k/ids+1)
		if p := places[k]; p != nil {
			p.Spoil(&m)
			key := Key{m.ID, m.Seq}
			want[key], original[key] = p, string(m.Data)
		}
		e.Send(m)
	}
	e.Wait(0)
	took := time.Since(start)
	e.Close()
	letters := e.Letters()
	for key, p := range want {
		letter, ok := letters[key]
		switch {
		case !ok:
			tb.Errorf("%s: %v was not refused", p.Name, key)
		case letter.Code != p.Code:
			tb.Errorf("%s: %v has the code %q, not %q: %v", p.Name, key, letter.Code, p.Code, letter.Err)
		case string(letter.Message.Data) != original[key]:
			tb.Errorf("%s: %v has other data", p.Name, key)
		}
	}
	for key, letter := range letters {
		if want[key] == nil {
			tb.Errorf("%v was refused: %v", key, letter.Err)
		}
	}
	if stored := e.Stored(); stored != n-len(want) {
		tb.Errorf("%d messages are stored, not %d", stored, n-len(want))
	}
	stats := e.Stats()
	tb.Logf("%d messages, %d refused: %v, %d writes", n, len(letters), took.Round(time.Millisecond), stats.Groups)
	return took
}

// Text is a JSON string of n bytes.
func Text(n int) []byte {
	data := make([]byte, n)
	for k := range data {
		data[k] = 'x'
	}
	data[0], data[n-1] = '"', '"'
	return data
}
