package deadletters

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// What is under way at once, and how often marks are looked for.
const (
	mostUnderway      = 1000
	mostUnderwayBytes = 8 << 20
	pollEvery         = time.Second
)

// recordTimeout is how long a replayer that drains tries to write down what has
// become of some letters.
const recordTimeout = 5 * time.Second

// Replayer sends dead letters again that are marked in a [Store]. It is a
// [engine.Transport]: its source is the store, and there its outcomes go. One
// process at a time should run one for a file; two cost work twice, and no harm.
type Replayer struct {
	store *Store
	log   hclog.Logger
	every time.Duration

	// The rest belongs to the goroutine of Serve.
	underway map[int64]*replay
	bytes    int
	stored   int // since nothing was under way
	refused  int

	reading   trouble
	recording trouble

	heard chan struct{} // something is in outcomes

	mu       sync.Mutex
	outcomes []verdict
}

var (
	_ engine.Transport = (*Replayer)(nil)
	_ engine.Producer  = (*Replayer)(nil)
)

// replay is a letter that is under way.
type replay struct {
	request     int64
	size        int
	undelivered bool // the engine gave up on it: it keeps its mark
}

// NewReplayer makes a Replayer for the letters in s. It logs what it has replayed.
func NewReplayer(s *Store, log hclog.Logger) *Replayer {
	return &Replayer{
		store: s, log: log, every: pollEvery,
		underway: make(map[int64]*replay), heard: make(chan struct{}, 1),
	}
}

// Serve implements [engine.Transport].
func (r *Replayer) Serve(ctx context.Context, router engine.Router) error {
	ticker := time.NewTicker(r.every)
	defer ticker.Stop()
	for {
		r.fill(ctx, router)
		for room := false; !room; {
			select {
			case <-ctx.Done():
				r.drain(ctx)
				return nil
			case <-ticker.C:
				r.record(ctx)
				room = true
			case <-r.heard:
				r.record(ctx)
				room = len(r.underway) <= mostUnderway/2
			}
		}
	}
}

// drain waits until all that is under way has its outcome, and records it. What
// cannot be recorded keeps its mark, and is replayed once more.
func (r *Replayer) drain(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	record := func() {
		ctx, cancel := context.WithTimeout(ctx, recordTimeout)
		defer cancel()
		r.record(ctx)
	}
	for r.waiting() { // that may take as long as the engine's drain
		<-r.heard
		record()
	}
	record()
}

// waiting tells whether the outcome of some letter has not been heard.
func (r *Replayer) waiting() bool {
	r.mu.Lock()
	heard := len(r.outcomes)
	r.mu.Unlock()
	for _, u := range r.underway {
		if u.undelivered {
			heard++
		}
	}
	return heard < len(r.underway)
}

// fill routes what is marked and not under way, in the order of the letters, as far
// as there is room. Then the lanes need not wait for more.
func (r *Replayer) fill(ctx context.Context, router engine.Router) {
	numbers, err := r.marked(ctx)
	if err != nil {
		r.reading.tell(ctx, r.log, "dead letters to replay cannot be read", err)
		return
	}
	r.reading.over()
	if len(numbers) == 0 {
		return
	}
	ids := make(map[string]bool)
	for l, err := range r.store.List(ctx, Filter{Numbers: numbers, marked: true}) {
		if bad, is := errors.AsType[*ReadError](err); is {
			r.begin(&l)
			r.hear(verdict{l.Number, engine.Permanent(bad.Err)})
			continue
		}
		if err != nil {
			r.reading.tell(ctx, r.log, "dead letters to replay cannot be read", err)
			break
		}
		if r.bytes > mostUnderwayBytes {
			break
		}
		if !r.route(ctx, router, &l) {
			break
		}
		ids[l.Message.ID] = true
	}
	for id := range ids {
		// What it is good for is done when it is accepted; an error means a drain.
		_ = router.Route(ctx, engine.Message{Kind: engine.Flush, ID: id}, nil)
	}
}

// marked gives the numbers of the letters to route next.
func (r *Replayer) marked(ctx context.Context) (numbers []int64, err error) {
	// Those under way are marked, too.
	rows, err := r.store.reads.QueryContext(ctx,
		"SELECT number FROM letters WHERE replay IS NOT NULL ORDER BY number LIMIT ?", 2*mostUnderway)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() && len(r.underway)+len(numbers) < mostUnderway {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		if r.underway[n] == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers, rows.Err()
}

// route routes a letter. It returns false where those after it must wait, so that
// none overtakes it.
func (r *Replayer) route(ctx context.Context, router engine.Router, l *Letter) bool {
	m := l.Message
	m.Tag, m.Replayed = l.Number, true
	if seedbug.Is("deadletters-replay-new-number") {
		m.Seq = 0
	}
	r.begin(l)
	err := router.Route(ctx, m, r)
	switch {
	case err == nil:
		return true
	case engine.IsPermanent(err):
		r.hear(verdict{l.Number, err})
		return true
	}
	r.end(l.Number)
	return false
}

func (r *Replayer) begin(l *Letter) {
	u := &replay{request: l.Replay, size: len(l.Message.Data)}
	r.underway[l.Number] = u
	r.bytes += u.size
}

func (r *Replayer) end(number int64) {
	if u := r.underway[number]; u != nil {
		r.bytes -= u.size
		delete(r.underway, number)
	}
}

// trouble is logged once each time that it begins.
type trouble struct{ told bool }

func (t *trouble) over() { t.told = false }

func (t *trouble) tell(ctx context.Context, log hclog.Logger, what string, err error) {
	if !t.told && ctx.Err() == nil {
		t.told = true
		log.Warn(what, "error", err)
	}
}
