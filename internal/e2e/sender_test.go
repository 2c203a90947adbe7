package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// sender is one client that sends messages of its own numbers to many ids, in
// frames of every kind.
type sender struct {
	run      run
	number   int      // which one it is
	ids      []string // digits alone are sent as an integer
	numbered bool     // it gives numbers, and hears acks
	window   int      // how many of its messages may be without ack; 0: any number
	rng      *rand.Rand

	sent map[key]int // up to which number each of its keys was tried
	all  int         // how many were tried
}

func newSender(r run, number int, ids []string) *sender {
	return &sender{run: r, number: number, ids: ids, rng: rand.New(rand.NewPCG(uint64(number), 2)), sent: make(map[key]int)}
}

// message is the next message to a random id.
func (s *sender) message() string {
	k := key{s.number, s.ids[s.rng.IntN(len(s.ids))]}
	s.sent[k]++
	s.all++
	return s.text(k, s.sent[k])
}

// text is message n of key k, as it is sent.
func (s *sender) text(k key, n int) string {
	seq := ""
	if s.numbered {
		seq = fmt.Sprintf(`"seq":%d,`, n)
	}
	return fmt.Sprintf(`{"op":"report","id":%s,"time":"1715050000",%s"data":%s,"code":%d}`,
		wireID(k.id), seq, s.run.payload(k, n), n%7)
}

// wireID writes an id as its owner would.
func wireID(id string) string {
	if strings.Trim(id, "0123456789") == "" {
		return id
	}
	return fmt.Sprintf("%q", id)
}

// send sends n messages over c. It stops at the first error.
func (s *sender) send(c *client, n int) error {
	for n > 0 {
		size := min(n, 1+s.rng.IntN(6))
		messages := make([]string, size)
		for i := range messages {
			messages[i] = s.message()
		}
		frame := strings.Join(messages, "\n")
		if s.rng.IntN(2) == 0 {
			frame = "[" + strings.Join(messages, ",") + "]"
		}
		if err := c.send(frame); err != nil {
			return err
		}
		n -= size
		if s.window == 0 {
			continue
		}
		if err := c.wait("acks", func() bool { return s.all-int(c.total) < s.window }); err != nil {
			return err
		}
	}
	return nil
}

// promised adds to m what c was promised: what it was told is stored.
func (s *sender) promised(c *client, m map[key]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, seq := range c.acked {
		m[key{s.number, id}] = int(seq)
	}
}

// attempted adds what was tried.
func (s *sender) attempted(m map[key]int) {
	for k, n := range s.sent {
		m[k] = n
	}
}

// ids are n ids, integers and strings.
func ids(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint(i + 1)
		if i%2 == 1 {
			ids[i] = fmt.Sprintf("case/%d é", i+1)
		}
	}
	return ids
}
