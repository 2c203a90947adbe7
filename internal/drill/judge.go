package drill

import "math/bits"

// Row is a stored message.
type Row struct {
	ID, Client string
	Seq        int64
	Op         string
	Code       int64
	SentAt     string // in [timeLayout]
	Data       string
}

// timeLayout is how the tables have times.
const timeLayout = "2006-01-02 15:04:05.000000"

// Verdict is what the judge found. All but the first three must be zero.
type Verdict struct {
	Sent   int64 `json:"sent"`
	Acked  int64 `json:"acked"`
	Stored int64 `json:"stored"`

	Lost       int64 `json:"lost"`         // acked, and not there
	Duplicated int64 `json:"duplicated"`   // there more than once
	OutOfOrder int64 `json:"out_of_order"` // there before an earlier one of the same sender and id
	Altered    int64 `json:"altered"`      // not byte for byte what was sent
	Unexpected int64 `json:"unexpected"`   // never sent
	Refused    int64 `json:"refused"`      // refused for good, though nothing was wrong with it
	Miscounted int64 `json:"miscounted"`   // streams whose row does not say what their messages say
}

// Fine tells whether nothing is wrong.
func (v Verdict) Fine() bool {
	return v == Verdict{Sent: v.Sent, Acked: v.Acked, Stored: v.Stored}
}

// Judge compares rows with ledgers. No sender is at work any more.
type Judge struct {
	run     Run
	ledgers map[string]*Ledger
	seen    map[Key]*seen
	v       Verdict
}

// seen is what was found of one key.
type seen struct {
	have []uint64 // a bit for each number
	last []int64  // the highest so far, of each epoch
	seq  int64    // of the row before
}

// NewJudge knows what was sent, and finds everything lost that was acked, until
// it sees rows.
func NewJudge(run Run, ledgers []*Ledger) *Judge {
	j := &Judge{run: run, ledgers: make(map[string]*Ledger), seen: make(map[Key]*seen)}
	for _, l := range ledgers {
		j.ledgers[l.Sender] = l
		sent, acked, refused := l.Counts()
		j.v.Sent += sent
		j.v.Acked += acked
		j.v.Refused += refused
	}
	return j
}

// Add takes the next row. Each stream's come in the order of their numbers.
func (j *Judge) Add(x Row) {
	sender, n, ok := j.run.origin(x.Data)
	if !ok {
		// A payload that is no longer one is found by its key.
		sender, n = x.Client, x.Seq
	}
	l := j.ledgers[sender]
	var a *account
	if l != nil {
		a = l.accounts[x.ID]
	}
	if a == nil || n < 1 || n > a.sent {
		j.v.Unexpected++
		return
	}
	k := Key{sender, x.ID}
	if x.Data != string(j.run.Payload(k, n)) || x.Client != l.Client || x.Op != "report" ||
		x.Code != Code(n) || x.SentAt != Time(n).Format(timeLayout) {
		j.v.Altered++
	}
	s := j.seen[k]
	if s == nil {
		s = newSeen(a)
		j.seen[k] = s
	}
	if s.has(n) {
		j.v.Duplicated++
		return
	}
	s.have[n/64] |= 1 << (n % 64)
	j.v.Stored++
	// A connection may still be read when its client has a new one already: without
	// a name, nothing is promised about the order of the two.
	last := &s.last[a.epochOf(n)]
	if n < *last || x.Seq <= s.seq {
		j.v.OutOfOrder++
	}
	*last, s.seq = max(*last, n), x.Seq
}

func newSeen(a *account) *seen {
	return &seen{have: make([]uint64, a.sent/64+1), last: make([]int64, len(a.epochs))}
}

func (s *seen) has(n int64) bool { return s.have[n/64]&(1<<(n%64)) != 0 }

// Miscounted takes how many streams have a row that does not fit their messages.
func (j *Judge) Miscounted(streams int64) { j.v.Miscounted += streams }

// Verdict is what was found; all rows were added.
func (j *Judge) Verdict() Verdict {
	v := j.v
	for sender, l := range j.ledgers {
		for id, a := range l.accounts {
			s := j.seen[Key{sender, id}]
			if s == nil {
				s = newSeen(a)
			}
			lost, gaps := a.missing(s)
			v.Lost += lost
			v.OutOfOrder += gaps
		}
	}
	return v
}

// missing counts what is not there: promised, or not promised, though a later one
// of the same epoch is there, which was sent and stored after it.
func (a *account) missing(s *seen) (lost, gaps int64) {
	for i, e := range a.epochs {
		end := a.sent
		if i+1 < len(a.epochs) {
			end = a.epochs[i+1].first - 1
		}
		last := s.lastIn(e.first, end)
		for n := e.first; n <= max(e.acked, last); n++ {
			switch {
			case s.has(n) || a.refused[n]:
			case n <= e.acked:
				lost++
			default:
				gaps++
			}
		}
	}
	return lost, gaps
}

// lastIn is the highest number from first to last that is there, or 0.
func (s *seen) lastIn(first, last int64) int64 {
	for n := last; n >= first; {
		word := s.have[n/64] << (63 - n%64) // n at the top
		if word != 0 {
			if n -= int64(bits.LeadingZeros64(word)); n >= first {
				return n
			}
			return 0
		}
		n = n/64*64 - 1
	}
	return 0
}
