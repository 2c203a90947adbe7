package applytest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/internal/load"
)

// Under an engine, whatever the hook does wrong costs nobody else anything: what
// it refuses is refused alone, what fails is tried again, and all else counts
// once.
func throughEngine(h *hooked) {
	const ids, each = 20, 60
	var calls, faults atomic.Int64
	h.apply = func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
		if err := h.db.add(ctx, tx, fresh); err != nil {
			return err
		}
		for i := range fresh {
			for j := range fresh[i].Messages {
				switch data := fresh[i].Messages[j].Data; {
				case bytes.Equal(data, []byte(`"named"`)):
					return engine.Reject(i, j, errOwn)
				case bytes.Equal(data, []byte(`"bad"`)):
					return engine.Permanent(errOwn)
				case bytes.Equal(data, []byte(`"large"`)):
					if _, err := tx.ExecContext(ctx, "UPDATE totals SET n = 5000"); err != nil {
						return err
					}
				}
			}
		}
		if faults.Load() >= 60 {
			return nil
		}
		switch calls.Add(1) % 4 {
		case 1:
			faults.Add(1)
			return errOwn
		case 2:
			faults.Add(1)
			panic("out of order")
		}
		return nil
	}
	o := load.Options()
	o.Writers, o.GroupSize = 4, 50
	e := load.Run(h, keepsOpen{h.sink}, o)
	want := make(map[load.Key]string)
	for seq := 1; seq <= each; seq++ {
		for id := range ids {
			m := load.Message(fmt.Sprint("stream-", id), seq)
			if (seq*ids+id)%37 == 0 {
				bad := []string{`"named"`, `"bad"`, `"large"`}[(seq*ids+id)/37%3]
				m.Data = []byte(bad)
				want[load.Key{ID: m.ID, Seq: m.Seq}] = map[string]string{`"large"`: h.db.Check}[bad]
			}
			e.Send(m)
		}
	}
	e.Wait(0)
	e.Close()
	letters := e.Letters()
	for k, letter := range letters {
		if code, ok := want[k]; !ok || letter.Code != code || code == "" && !errors.Is(letter.Err, errOwn) {
			h.Errorf("%v was refused with %q: %v", k, letter.Code, letter.Err)
		}
	}
	if len(letters) != len(want) {
		h.Errorf("%d were refused, not %d", len(letters), len(want))
	}
	h.db.Exact(h, ids*each-len(want))
}

// keepsOpen leaves the sink to the kit.
type keepsOpen struct{ engine.Sink }

func (keepsOpen) Close() error { return nil }
