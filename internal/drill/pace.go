package drill

import "time"

// pace spreads what one of several senders sends over time. It knows no mercy:
// whoever was held up catches up.
type pace struct {
	each  time.Duration // for one message; 0: no pace
	due   time.Time     // of the next one
	timer *time.Timer
	open  chan time.Time // always ready
}

// newPace gives one of n senders its part of rate messages a second.
func newPace(rate, n int) *pace {
	p := &pace{due: time.Now(), open: make(chan time.Time)}
	close(p.open)
	if rate > 0 {
		p.each = time.Second * time.Duration(n) / time.Duration(rate)
		p.timer = time.NewTimer(0)
	}
	return p
}

// wait gives a channel that says when the next n messages are due.
func (p *pace) wait(n int) <-chan time.Time {
	if p.each == 0 {
		return p.open
	}
	p.due = p.due.Add(p.each * time.Duration(n))
	p.timer.Reset(time.Until(p.due))
	return p.timer.C
}

func (p *pace) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}
