package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// Whatever groups come, with runs of any length, of which some rows are there
// already, come twice, are in conflict or are no text: what is stored, and what is
// told of it, is what a map would hold that is filled message by message.
func TestRandomGroups(t *testing.T) {
	type key struct {
		id     string
		seq    int64
		client string
	}
	content := func(m *engine.Message) string { return fmt.Sprint(m.Op, m.Code, sink.Data(m)) }
	row := func(m *engine.Message) string {
		return fmt.Sprintf("%#v", []any{
			m.ID, m.Seq, m.Client, m.Op, m.Code, m.Time.Format(sink.TimeLayout), m.Received.Format(sink.TimeLayout),
			m.Remote, m.Sender, sink.Data(m),
		})
	}
	path := filepath.Join(t.TempDir(), "ingest.db")
	ctx, s, db, checks := t.Context(), open(t, path), reader(t, path), 0
	rapid.Check(t, func(t *rapid.T) {
		checks++
		mine := fmt.Sprint(checks, "-") // what the ids of this check begin with
		stored := make(map[key]string)  // content
		var rows []string
		for range rapid.IntRange(1, 3).Draw(t, "groups") {
			ids := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "é", "z\x00"}), 1, 4, rapid.ID).Draw(t, "ids")
			slices.Sort(ids)
			var group []engine.Batch
			for _, id := range ids {
				id = mine + id
				b := engine.Batch{ID: id}
				for range rapid.IntRange(1, 3).Draw(t, "runs") {
					n := rapid.OneOf(rapid.IntRange(1, 120), rapid.SampledFrom([]int{1, 24, 25, 26, 49, 50, 51, 75})).Draw(t, "length")
					first := rapid.Int64Range(1, 200).Draw(t, "first")
					like := engine.Message{
						ID: id, Client: rapid.SampledFrom([]string{"", "c"}).Draw(t, "client"),
						Op:     rapid.SampledFrom([]string{"report", "report", "report", "o"}).Draw(t, "op"),
						Remote: rapid.SampledFrom([]string{"", "r"}).Draw(t, "remote"),
						Time:   received, Received: received,
					}
					odd := rapid.IntRange(-3, 14).Draw(t, "odd") // how the last of them are unlike the others
					for k := range n {
						m := like
						m.Seq = first + int64(k)
						m.Data = fmt.Appendf(nil, `{"n":%d}`, m.Seq)
						m.Time = received.Add(time.Duration(k%3) * time.Microsecond)
						if odd == 3 && n <= 51 && k%6 == 0 { // a statement does not take them all
							m.Data = fmt.Appendf(nil, `"%d%s"`, m.Seq, strings.Repeat("x", 1<<20))
						}
						if k == n-1 {
							switch odd {
							case 1:
								m.Code = -1
							case 2:
								m.Data = []byte("\"\xff\"")
							case -1:
								m.Seq = first
							case -2:
								m.Data = nil
							}
						}
						b.Messages = append(b.Messages, m)
					}
				}
				group = append(group, b)
			}
			// As the engine does, what is refused is taken out.
			want := make([]int, len(group))
			for i := range group {
				for j := range group[i].Messages {
					m := &group[i].Messages[j]
					k := key{m.ID, m.Seq, m.Client}
					if strings.Contains(string(m.Data), "\xff") {
						continue
					}
					have, known := stored[k]
					switch {
					case !known:
						stored[k] = content(m)
						rows = append(rows, row(m))
					case have == content(m):
						want[i]++
					}
				}
			}
			for {
				results, err := s.Write(ctx, group)
				var reject *engine.RejectError
				if errors.As(err, &reject) {
					b := &group[reject.Batch]
					m := &b.Messages[reject.Message]
					noText, conflict := strings.Contains(string(m.Data), "\xff"), errors.Is(err, engine.ErrConflict)
					if noText == conflict || conflict && stored[key{m.ID, m.Seq, m.Client}] == content(m) {
						t.Fatalf("%v: %.200s", err, row(m))
					}
					b.Messages = slices.Delete(slices.Clone(b.Messages), reject.Message, reject.Message+1)
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				for i := range want {
					got := 0
					if results != nil {
						got = results[i].Duplicates
					}
					if got != want[i] {
						t.Fatalf("batch %d has %d duplicates, not %d", i, got, want[i])
					}
				}
				break
			}
		}
		got, messages := readAll(t, db, mine)
		slices.Sort(rows)
		slices.Sort(got)
		for k := range min(len(got), len(rows)) {
			if got[k] != rows[k] {
				t.Fatalf("row %.300s, not %.300s", got[k], rows[k])
			}
		}
		if len(got) != len(rows) {
			t.Fatalf("%d rows, not %d", len(got), len(rows))
		}
		if messages != len(rows) {
			t.Fatalf("the streams count %d messages, not %d", messages, len(rows))
		}
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// readAll gives the rows whose ids begin with prefix, and how many their streams
// count.
func readAll(t *rapid.T, db *sql.DB, prefix string) (rows []string, counted int) {
	const among = " WHERE substr(id, 1, length(?1)) = ?1"
	r, err := db.Query("SELECT id, seq, client, op, code, CAST(sent_at AS TEXT), CAST(received_at AS TEXT),"+
		" remote, sender, data FROM messages"+among, prefix)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for r.Next() {
		var id, client, op, sent, at, remote, sender, data string
		var seq, code int64
		if err := r.Scan(&id, &seq, &client, &op, &code, &sent, &at, &remote, &sender, &data); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, fmt.Sprintf("%#v", []any{id, seq, client, op, code, sent, at, remote, sender, data}))
	}
	if err := errors.Join(r.Err(), db.QueryRow("SELECT coalesce(sum(messages), 0) FROM streams"+among, prefix).Scan(&counted)); err != nil {
		t.Fatal(err)
	}
	return rows, counted
}
