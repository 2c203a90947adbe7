package sink

import (
	"time"

	"github.com/ingestd/ingestd/engine"
)

// TimeLayout is how times are stored: UTC, with microseconds, in the form that
// MySQL shows for a DATETIME(6).
const TimeLayout = "2006-01-02 15:04:05.000000"

// The range of a DATETIME. A time outside is moved to its nearer end: a sender
// whose clock is that wrong has still sent a message.
var (
	minTime = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC)
	maxTime = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
)

// Sent is when m happened, or was received where its sender did not say.
func Sent(t, received time.Time) time.Time {
	if t.IsZero() {
		return received
	}
	return t
}

// Received is when m was received: now, where nobody has said when.
func Received(m *engine.Message, now time.Time) time.Time {
	if m.Received.IsZero() {
		return now
	}
	return m.Received
}

// AppendTime appends t in [TimeLayout]. What is finer than a microsecond is cut
// off; a time before the year 1000 or after 9999 becomes the nearest that can be
// stored.
func AppendTime(b []byte, t time.Time) []byte {
	t = Clamp(t)
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append2(b, year/100)
	b = append2(b, year%100)
	b = append2(append(b, '-'), int(month))
	b = append2(append(b, '-'), day)
	b = append2(append(b, ' '), hour)
	b = append2(append(b, ':'), minute)
	b = append2(append(b, ':'), second)
	micro := t.Nanosecond() / 1000
	b = append2(append(b, '.'), micro/10_000)
	b = append2(b, micro/100%100)
	return append2(b, micro%100)
}

// Clamp gives t in UTC, moved into the range of years that can be stored.
func Clamp(t time.Time) time.Time {
	t = t.UTC()
	if t.Before(minTime) {
		return minTime
	}
	if t.After(maxTime) {
		return maxTime
	}
	return t
}

func append2(b []byte, n int) []byte {
	return append(b, byte('0'+n/10), byte('0'+n%10))
}
