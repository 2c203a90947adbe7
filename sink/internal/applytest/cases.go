package applytest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/ingestd/ingestd/engine"
)

var cases = []struct {
	name string
	run  func(h *hooked)
}{
	{"fresh", fresh},
	{"ends", ends},
	{"classes", classes},
	{"rejects", rejects},
	{"rejects-what-is-not-there", rejectsNothing},
	{"panic", panics},
	{"ends-the-transaction", endsTransaction},
	{"ends-the-transaction-unseen", endsUnseen},
	{"leaves-things-open", leavesOpen},
	{"statements", statements},
	{"context", contextEnds},
	{"through-the-engine", throughEngine},
}

// show tells what a hook saw.
func show(fresh []engine.Batch) string {
	var out []string
	for _, b := range fresh {
		text := b.ID + ":"
		for _, m := range b.Messages {
			text += fmt.Sprint(" ", m.Seq)
		}
		if b.End != "" {
			text += " " + string(b.End)
		}
		if b.Resume != "" {
			text += " resume"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// The hook sees what was not stored before, and nothing else.
func fresh(h *hooked) {
	var saw []string
	h.apply = func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
		saw = append(saw, show(fresh))
		return h.db.add(ctx, tx, fresh)
	}
	asks := engine.Batch{ID: "b", Resume: "phone-7"}
	twice := Batch("c", 1, 3)
	twice.Messages = append(twice.Messages, twice.Messages[1])
	for _, step := range []struct {
		group []engine.Batch
		want  string // empty: it is not called
	}{
		{[]engine.Batch{Batch("a", 3, 4), asks, Batch("b", 1, 2)}, "a: 3 4, b: 1 2"},
		{[]engine.Batch{Batch("a", 3, 4), asks, Batch("b", 1, 2)}, ""},
		{[]engine.Batch{Batch("a", 1, 5), Batch("b", 2, 2), Batch("b", 3, 3)}, "a: 1 2 5, b: 3"},
		{[]engine.Batch{twice}, "c: 1 2 3"},
		{[]engine.Batch{asks}, ""},
		{nil, ""},
	} {
		saw = nil
		h.write(step.group...)
		if got := strings.Join(saw, " | "); got != step.want {
			h.Errorf("it saw %q, not %q", got, step.want)
		}
	}
	h.db.Exact(h, 5+3+3)
}

// An end comes with the messages before it, or alone.
func ends(h *hooked) {
	var saw []engine.Batch
	h.apply = func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
		saw = append(saw, fresh...)
		return h.db.add(ctx, tx, fresh)
	}
	h.write(Ended(Batch("a", 1, 2)), Batch("a", 3, 3))
	h.write(Ended(Batch("a", 3, 3)))
	h.write(engine.Batch{ID: "b", End: engine.EndDisconnect, Ended: received})
	if got, want := show(saw), "a: 1 2 op, a: 3, a: op, b: disconnect"; got != want {
		h.Fatalf("it saw %q, not %q", got, want)
	}
	for _, b := range saw[:1] {
		if !b.Ended.Equal(received) || b.Final == nil || b.Final.Code != 7 || string(b.Final.Data) != "true" {
			h.Errorf("the end is %+v", b)
		}
	}
}

var errOwn = errors.New("no time for that")

// The errors of the hook, and those of its statements, have the same classes as the
// sink's.
func classes(h *hooked) {
	h.write(Batch("a", 1, 3))
	run := func(query string) func(context.Context, *sql.Tx, []engine.Batch) error {
		return func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
			if err := h.db.add(ctx, tx, fresh); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, query)
			return err
		}
	}
	own := func(err error) func(context.Context, *sql.Tx, []engine.Batch) error {
		return func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
			if err := h.db.add(ctx, tx, fresh); err != nil {
				return err
			}
			return err
		}
	}
	for _, c := range []struct {
		apply func(context.Context, *sql.Tx, []engine.Batch) error
		class string
		code  string
	}{
		{own(errOwn), "transient", ""},
		{own(sql.ErrNoRows), "transient", ""},
		{own(engine.Permanent(errOwn)), "permanent", ""},
		{own(engine.Blocked(errOwn)), "blocked", ""},
		{run("UPDATE totals SET n = 5000 WHERE id = 'a'"), "permanent", h.db.Check},
		{run("UPDATE nowhere SET n = 1"), "blocked", ""},
		{run("UPDATE totals SET other = 1"), "blocked", ""},
		{run("this is no SQL"), "blocked", ""},
	} {
		err := h.fails(c.apply, Batch("a", 4, 6), Batch("b", 1, 3))
		h.is(err, c.class)
		if got := engine.ErrorCode(err); c.class == "permanent" && got != c.code {
			h.Errorf("the code is %q, not %q: %v", got, c.code, err)
		}
		if !strings.Contains(err.Error(), "Apply: ") {
			h.Errorf("does not name the hook: %v", err)
		}
	}
	h.write(Batch("a", 4, 6), Batch("b", 1, 3))
	h.db.Exact(h, 9)
}

// What the hook refuses is named as the Write has it, whatever of it was stored
// before.
func rejects(h *hooked) {
	h.write(Batch("a", 1, 3), Batch("c", 2, 3))
	group := []engine.Batch{
		Batch("a", 1, 3), {ID: "b", Resume: "phone-7"}, Ended(Batch("b", 1, 3)), Ended(Batch("c", 1, 5)), Batch("d", 1, 3),
	}
	// The hook sees b: 1 2 3 op, c: 1 4 5 op, d: 1 2 3.
	for _, c := range []struct{ i, j, batch, message int }{
		{0, 0, 2, 0},
		{0, 2, 2, 2},
		{0, 3, 2, 3}, // the last is its Final
		{1, 0, 3, 0},
		{1, 1, 3, 3},
		{1, 2, 3, 4},
		{1, 3, 3, 5},
		{2, 2, 4, 2},
	} {
		err := h.fails(func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
			if err := h.db.add(ctx, tx, fresh); err != nil {
				return err
			}
			return fmt.Errorf("row: %w", engine.Reject(c.i, c.j, errOwn))
		}, group...)
		var reject *engine.RejectError
		if !errors.As(err, &reject) || reject.Batch != c.batch || reject.Message != c.message || !errors.Is(err, errOwn) {
			h.Errorf("Reject(%d, %d) of the hook is no Reject(%d, %d): %v", c.i, c.j, c.batch, c.message, err)
		}
	}
	// So does a code.
	err := h.fails(func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
		_, err := tx.ExecContext(ctx, "UPDATE totals SET n = 5000")
		return engine.Reject(2, 1, err)
	}, group...)
	if got := engine.ErrorCode(err); got != h.db.Check {
		h.Errorf("the code is %q: %v", got, err)
	}
	h.write(group...)
	h.db.Exact(h, 3+3+5+3)
}

// A Reject of what the hook did not see is permanent, so that the engine looks for
// the message itself; it names none.
func rejectsNothing(h *hooked) {
	for _, c := range [][2]int{{-1, 0}, {2, 0}, {0, -1}, {0, 4}, {0, 3}, {1, 4}} {
		err := h.fails(func(context.Context, *sql.Tx, []engine.Batch) error {
			return engine.Reject(c[0], c[1], nil)
		}, Batch("a", 1, 3), Ended(Batch("b", 1, 3)))
		h.is(err, "permanent")
		var reject *engine.RejectError
		if errors.As(err, &reject) {
			h.Errorf("Reject(%d, %d) became one: %v", c[0], c[1], err)
		}
	}
}

func panics(h *hooked) {
	for range 3 {
		err := h.fails(func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
			if err := h.db.add(ctx, tx, fresh); err != nil {
				return err
			}
			rows, err := tx.QueryContext(ctx, "SELECT id FROM messages") //nolint:sqlclosecheck,rowserrcheck // left open
			if err != nil {
				return err
			}
			rows.Next()
			panic("out of order")
		}, Batch("a", 1, 3))
		h.is(err, "transient")
		for _, want := range []string{"Apply: panic: out of order", "cases.go:"} {
			if !strings.Contains(err.Error(), want) {
				h.Errorf("does not say %q: %v", want, err)
			}
		}
	}
	// So does a failing test of the hook's program.
	h.is(h.fails(func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
		if err := h.db.add(ctx, tx, fresh); err != nil {
			return err
		}
		runtime.Goexit()
		return nil
	}, Batch("a", 1, 3)), "transient")
	h.write(Batch("a", 1, 3))
	h.db.Exact(h, 3)
}

// A hook that ends the transaction is stopped before it does, and can hide
// nothing.
func endsTransaction(h *hooked) {
	said := func(query string) func(context.Context, *sql.Tx) error {
		return func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, query)
			return err
		}
	}
	for name, end := range map[string]func(context.Context, *sql.Tx) error{
		"Commit":           func(_ context.Context, tx *sql.Tx) error { return tx.Commit() },
		"Rollback":         func(_ context.Context, tx *sql.Tx) error { return tx.Rollback() },
		"COMMIT":           said("commit"),
		"ROLLBACK":         said(" ;/* all of it */\n-- now\n# now\nRollback work"),
		"BEGIN":            said("BEGIN"),
		"START":            said("START TRANSACTION"),
		"COMMIT, prepared": func(ctx context.Context, tx *sql.Tx) error { _, err := tx.PrepareContext(ctx, "COMMIT"); return err }, //nolint:sqlclosecheck // there is none
		"COMMIT, as query": func(ctx context.Context, tx *sql.Tx) error { return tx.QueryRowContext(ctx, "COMMIT").Err() },
	} {
		err := h.fails(func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
			if err := h.db.add(ctx, tx, fresh); err != nil {
				return err
			}
			if err := end(ctx, tx); err == nil {
				h.Errorf("%s gave no error", name)
			}
			if _, err := tx.ExecContext(ctx, h.db.Add, "x"); err == nil {
				h.Errorf("the transaction goes on after %s", name)
			}
			return nil
		}, Batch("a", 1, 3))
		h.is(err, "blocked")
		if word, _, _ := strings.Cut(name, ","); !strings.Contains(err.Error(), "must not end the transaction") || !strings.Contains(err.Error(), word) {
			h.Errorf("%s: does not say what: %v", name, err)
		}
	}
	h.write(Batch("a", 1, 3))
	h.db.Exact(h, 3)
}

// What cannot be seen beforehand is told afterwards: then nobody can undo it.
func endsUnseen(h *hooked) {
	counts := h.apply
	h.apply = func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
		if err := h.db.add(ctx, tx, fresh); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, h.db.Hidden)
		return err
	}
	_, err := h.sink.Write(h.Context(), []engine.Batch{Batch("a", 1, 3)})
	h.is(err, "blocked")
	if err == nil || !strings.Contains(err.Error(), "has ended the sink's transaction") {
		h.Errorf("does not say what happened: %v", err)
	}
	h.apply = counts
	h.write(Batch("a", 1, 3))
	h.write(Batch("b", 1, 3))
	h.db.Exact(h, 6)
}

// What the hook leaves behind is closed, and nothing of it can be used later.
func leavesOpen(h *hooked) {
	var kept *sql.Tx
	var stmt *sql.Stmt
	for r := range 3 {
		h.apply = func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) (err error) {
			if kept = tx; err == nil {
				err = h.db.add(ctx, tx, fresh)
			}
			if err == nil {
				stmt, err = tx.PrepareContext(ctx, h.db.Add) //nolint:sqlclosecheck // left open
			}
			if err != nil {
				return err
			}
			rows, err := tx.QueryContext(context.WithoutCancel(ctx), "SELECT id, data FROM messages") //nolint:sqlclosecheck,rowserrcheck // left open
			if err == nil {
				rows.Next()
			}
			return err
		}
		h.write(Batch("a", r*100+1, r*100+100))
		_, err := kept.ExecContext(h.Context(), h.db.Add, "a")
		_, again := stmt.ExecContext(h.Context(), "a")
		if !errors.Is(err, sql.ErrTxDone) || again == nil {
			h.Errorf("the transaction was usable after the hook: %v, %v", err, again)
		}
	}
	h.db.Exact(h, 300)
}

// What database/sql can do in a transaction works.
func statements(h *hooked) {
	h.apply = func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
		add, err := tx.PrepareContext(ctx, h.db.Add)
		if err != nil {
			return err
		}
		defer func() { _ = add.Close() }()
		if _, err := tx.ExecContext(ctx, "SAVEPOINT mine"); err != nil {
			return err
		}
		if _, err := add.ExecContext(ctx, "nobody"); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT mine"); err != nil {
			return err
		}
		for i := range fresh {
			for range fresh[i].Messages {
				if _, err := add.ExecContext(ctx, fresh[i].ID); err != nil {
					return err
				}
			}
			// It sees what the sink has written, and what it has itself.
			for query, want := range map[string]int{
				"SELECT messages FROM streams WHERE id = ? AND last_at < ?":  3,
				"SELECT n FROM totals WHERE id = ? AND ? > '2000'":           3,
				"SELECT COUNT(*) FROM messages WHERE id = ? AND sent_at < ?": 3,
				"SELECT COUNT(*) FROM totals WHERE id = ? AND ? IS NOT NULL": 1,
				"SELECT 7 FROM totals WHERE id <> ? AND ? < '1900' OR 1 = 1": 7,
			} {
				var n int
				if err := tx.QueryRowContext(ctx, query, fresh[i].ID, received.AddDate(1, 0, 0)).Scan(&n); err != nil {
					return fmt.Errorf("%s: %w", query, err)
				}
				if n != want {
					h.Errorf("%s: %d, not %d", query, n, want)
				}
			}
		}
		return nil
	}
	h.write(Batch("a", 1, 3), Batch("b", 1, 3))
	h.db.Exact(h, 6)
}

// A hook whose context ends leaves nothing behind.
func contextEnds(h *hooked) {
	counts := h.apply
	for _, swallows := range []bool{false, true} {
		ctx, cancel := context.WithCancel(h.Context())
		h.apply = func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
			if err := h.db.add(ctx, tx, fresh); err != nil {
				return err
			}
			cancel()
			_, err := tx.ExecContext(ctx, h.db.Add, "a")
			if swallows {
				return nil
			}
			return err
		}
		_, err := h.sink.Write(ctx, []engine.Batch{Batch("a", 1, 3)})
		if !errors.Is(err, context.Canceled) {
			h.Errorf("is not the end of the context: %v", err)
		}
		h.is(err, "transient")
	}
	h.apply = counts
	h.write(Batch("a", 1, 3))
	h.db.Exact(h, 3)
}
