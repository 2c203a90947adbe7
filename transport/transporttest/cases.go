package transporttest

import (
	"errors"
	"fmt"
	"time"

	"github.com/ingestd/ingestd/engine"
)

var cases = []testCase{
	{
		"nothing happens",
		"Serve blocks until ctx ends, and then returns nil.",
		false,
		func(k *kit) { k.running() },
	},
	{
		"as sent",
		"Serve routes what it receives: the id, and the data byte for byte.",
		false,
		func(k *kit) {
			s := k.sender()
			sent := map[string]string{
				"1": `{"a" : 1.0,"b":[ 1e2,null ],"a":"\u00e9\/"}`, "two": `"x"`, "drei ☃": `null`, `"4"`: `17.50`,
			}
			var all []Report
			for id, data := range sent {
				all = append(all, Report{ID: id, Seq: 1, Data: data})
			}
			k.send(s, all[0])
			k.routed("a message", reports(1))
			k.send(s, all[1:]...)
			k.routed("four messages", reports(4))
			for _, m := range k.router.Messages() {
				if m.Kind != engine.Report {
					continue
				}
				data, ok := sent[m.ID]
				if !ok || string(m.Data) != data {
					k.broken("%q has data %s, want %s", m.ID, m.Data, data)
				}
				delete(sent, m.ID)
				if m.Kind != engine.Report || m.Received.IsZero() || m.Time.IsZero() || m.Received.Location() != time.UTC {
					k.broken("routed is %+v", m)
				}
			}
		},
	},
	{
		"in order",
		"Of two messages for one ID, the one whose Route returned before the other's began is stored first: so a transport routes a sender's messages one after the other.",
		false,
		func(k *kit) {
			s := k.sender()
			const n, ids, together = 300, 7, 3
			for i := 0; i < n; i += together {
				var rs []Report
				for j := i; j < i+together; j++ {
					rs = append(rs, Report{ID: fmt.Sprint(j % ids), Seq: int64(j + 1), Data: fmt.Sprint(j)})
				}
				k.send(s, rs...)
			}
			k.routed("all messages", reports(n))
			next := map[string]int{}
			for _, m := range k.router.Messages() {
				if m.Kind != engine.Report {
					continue
				}
				var i int
				if _, err := fmt.Sscan(string(m.Data), &i); err != nil {
					k.broken("%v: %s", err, m.Data)
				}
				if i/ids != next[m.ID] {
					k.broken("stream %s: message %d is out of order", m.ID, i)
				}
				next[m.ID]++
			}
		},
	},
	{
		"to its sender",
		"Serve gives each outcome back to its sender.",
		true,
		func(k *kit) {
			a, b := k.sender(), k.sender()
			k.router.Hold()
			k.send(a, Report{ID: "1", Seq: 5})
			k.routed("the first message", reports(1))
			k.send(b, Report{ID: "1", Seq: 6})
			k.routed("the second message", reports(2))
			k.settle("1", 2, nil)
			// Each has sent one number, and is told of no other.
			for i, s := range []Sender{a, b} {
				want := Answer{ID: "1", Seq: int64(5 + i)}
				if told := k.receive(s); told != want {
					k.broken("the sender is told %+v; want %+v", told, want)
				}
			}
		},
	},
	{
		"refused for good",
		"Settled with a permanent error: the messages were refused for good, and the sender is told before it is told of what comes after.",
		true,
		func(k *kit) {
			s := k.sender()
			k.router.Hold()
			k.send(s, Report{ID: "1", Seq: 1}, Report{ID: "1", Seq: 2}, Report{ID: "1", Seq: 3})
			k.routed("three messages", reports(3))
			k.settle("1", 1, nil)
			k.settle("1", 1, engine.Permanent(errors.New("too long")))
			k.settle("1", 1, nil)
			failed := false
			for {
				a := k.receive(s)
				if a.Failed {
					failed = a.Seq == 2
				} else if a.Seq == 2 || a.Seq == 3 && !failed {
					k.broken("the sender is told %+v of a message that was refused", a)
				}
				if a.Seq == 3 {
					return
				}
			}
		},
	},
	{
		"undelivered",
		"Settled with ErrUndelivered: given up at the end of a drain, and the sender is not answered.",
		true,
		func(k *kit) {
			s := k.sender()
			k.router.Hold()
			k.send(s, Report{ID: "1", Seq: 1}, Report{ID: "2", Seq: 1})
			k.routed("two messages", reports(2))
			k.end()
			k.settle("1", 1, engine.ErrUndelivered)
			k.settle("2", 1, nil)
			k.acked(s, "2", 1)
			k.closed(s)
			k.returned()
		},
	},
	{
		"not accepted",
		"On an error of Route m was not accepted and the producer never hears of it; ErrTooManyStreams and ErrOverloaded are told to the sender.",
		true,
		func(k *kit) {
			s := k.sender()
			k.router.Refuse(func(m engine.Message) error {
				switch m.ID {
				case "many":
					return engine.ErrTooManyStreams
				case "much":
					return engine.ErrOverloaded
				}
				return nil
			})
			for _, id := range []string{"many", "much"} {
				k.send(s, Report{ID: id, Seq: 1})
				if a := k.receive(s); !a.Failed || a.ID != id || a.Seq != 1 {
					k.broken("the sender is told %+v", a)
				}
			}
			k.send(s, Report{ID: "fine", Seq: 1})
			k.acked(s, "fine", 1)
		},
	},
	{
		"back-pressure",
		"Route blocks while there is no room: that is the back-pressure, and it holds back the one sender, no other.",
		false,
		func(k *kit) {
			a, b := k.sender(), k.sender()
			k.router.Block("blocked")
			k.send(a, Report{ID: "blocked", Seq: 1})
			k.routed("Route to block", func(s State) bool { return s.Blocked == 1 })
			k.send(b, Report{ID: "free", Seq: 1})
			k.acked(b, "free", 1)
			k.router.Unblock()
			k.acked(a, "blocked", 1)
		},
	},
	{
		"settled inside of Route",
		"No lock that Settled takes may be held during Route.",
		false,
		func(k *kit) {
			s := k.sender()
			k.router.Inline()
			k.send(s, Report{ID: "1", Seq: 1})
			k.acked(s, "1", 1)
			k.send(s, Report{ID: "1", Seq: 2})
			k.acked(s, "1", 2)
		},
	},
	{
		"a sender that does not read",
		"Settled must not block.",
		false,
		func(k *kit) {
			s := k.sender()
			k.router.Hold()
			const n = 500
			var rs []Report
			for i := range n {
				rs = append(rs, Report{ID: fmt.Sprint(i), Seq: 1})
			}
			k.send(s, rs...)
			k.routed("all messages", reports(n))
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := range n {
					k.settle(fmt.Sprint(i), 1, nil)
				}
			}()
			select {
			case <-done:
			case <-time.After(patience):
				k.broken("Settled blocks")
			}
			s.Vanish()
		},
	},
	{
		"a sender that is gone",
		"Settled is called for messages whose sender is gone, too, and a drain does not wait for it.",
		false,
		func(k *kit) {
			s := k.sender()
			k.router.Hold()
			k.send(s, Report{ID: "1", Seq: 1})
			k.routed("the message", reports(1))
			s.Vanish()
			k.end()
			k.router.Release()
			k.returned()
		},
	},
	{
		"the drain routes nothing",
		"When ctx ends it routes nothing more: a Route that blocks is given up.",
		false,
		func(k *kit) {
			s := k.sender()
			k.router.Block()
			k.send(s, Report{ID: "1", Seq: 1})
			k.routed("Route to block", func(s State) bool { return s.Blocked == 1 })
			k.end()
			k.returned()
			if ms := k.router.Messages(); len(ms) > 0 {
				k.broken("routed were %v", ms)
			}
		},
	},
	{
		"the drain tells everything",
		"When ctx ends it keeps its connections until every accepted message is settled and its sender told, closes them, and returns nil.",
		false,
		func(k *kit) {
			s, idle := k.sender(), k.sender()
			k.router.Hold()
			k.send(s, Report{ID: "1", Seq: 1}, Report{ID: "2", Seq: 1})
			k.routed("two messages", reports(2))
			k.end()
			k.closed(idle)
			k.settle("1", 1, nil)
			late := k.subject.AtOnce || k.subject.Silent
			if !late {
				k.acked(s, "1", 1)
			}
			k.running()
			k.settle("2", 1, nil)
			if late {
				k.acked(s, "1", 1)
			}
			k.acked(s, "2", 1)
			k.closed(s)
			k.returned()
			for _, m := range k.router.Messages() {
				if m.Kind == engine.Disconnect {
					k.broken("a drain ends no stream: %v", m)
				}
			}
		},
	},
}

// reports is for Wait: at least n of them were routed.
func reports(n int) func(State) bool {
	return func(s State) bool {
		have := 0
		for _, m := range s.Messages {
			if m.Kind == engine.Report {
				have++
			}
		}
		return have >= n
	}
}
