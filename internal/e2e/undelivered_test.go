package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// SIGTERM while the database is gone. What the daemon took is in the database or
// in the file that the log names; what is acked is in the database; the status
// says that something is left to do.
func TestTermInOutage(t *testing.T) {
	server := mariadbtest.New(t)
	s := mysqlStore(t, server.DSN(t))
	dir := t.TempDir()
	d := start(t, dir, append(s.args, "--set=shutdown_timeout=1s")...)
	r := run("outage")
	const clients = 8
	names := ids(100)
	senders, conns := make([]*sender, clients), make([]*client, clients)
	for i := range clients {
		query := ""
		if i%2 == 0 {
			query = fmt.Sprintf("?client=%d", i)
		}
		senders[i] = newSender(r, i, names)
		senders[i].numbered = true
		conns[i] = d.dial(query)
	}
	wait := begin(t, clients, func(i int) error {
		// The marks keep it from sending faster than the daemon reads.
		for senders[i].send(conns[i], 10) == nil && conns[i].mark() == nil {
		}
		if code, err := conns[i].waitEnd(); code != websocket.StatusGoingAway {
			return fmt.Errorf("client %d: %w", i, err)
		}
		return nil
	})
	eventually(t, "acks come", func() bool { return acked(conns) > 1000 })
	server.Kill()
	d.says("write failed: trying again")
	d.term()
	wait()
	if status := d.wait(); status != 1 {
		t.Errorf("exit status %d", status)
	}

	server.Restart(t)
	promised, attempted := make(map[key]int), make(map[key]int)
	for i, x := range senders {
		x.promised(conns[i], promised)
		x.attempted(attempted)
	}
	stored := s.rows()
	r.judge(stored, promised, attempted).fine(t, len(stored))
	n := d.counts()
	if n["undelivered"] == 0 || n["stored"]+n["undelivered"] != n["accepted"] || sum(promised) > len(stored) {
		t.Errorf("the daemon counts %v; %d are acked, %d stored", n, sum(promised), len(stored))
	}
	r.judge(union(stored, d.undelivered(dir)), promised, attempted).fine(t, n["accepted"])
	s.streams()

	// The file is given back, twice: all that was accepted is stored, once, in its
	// place.
	d = start(t, dir, s.args...)
	d.says("messages of an earlier shutdown are not stored")
	path, err := plain()
	must(t, err)
	for range 2 {
		file := files(t, dir, "ingest-data/undelivered-*.ndjson")[0]
		if out, err := exec.Command(path, "send", "--url", d.url(), file).CombinedOutput(); err != nil {
			t.Fatalf("ingestd send: %v\n%s", err, out)
		}
	}
	d.stop()
	r.judge(s.rows(), promised, attempted).fine(t, n["accepted"])
	s.streams()
}

// undelivered reads the file of what could not be stored.
func (d *daemon) undelivered(dir string) (rows []row) {
	d.t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "ingest-data", "undelivered-*.ndjson"))
	must(d.t, err)
	if len(files) != 1 {
		d.t.Fatalf("files: %v", files)
	}
	d.says(filepath.Base(files[0]))
	text, err := os.ReadFile(files[0])
	must(d.t, err)
	for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
		var m struct {
			ID, Client string
			Seq        int64
			Data       json.RawMessage
			DataBase64 []byte `json:"data_base64"` // where it spans lines
		}
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			return rows
		}
		must(d.t, err)
		if len(m.DataBase64) > 0 {
			m.Data = m.DataBase64
		}
		rows = append(rows, row{m.ID, m.Seq, m.Client, string(m.Data)})
	}
}

// union are the rows of both, each stream's in order. One of a commit whose answer
// was cut off may be in both.
func union(stored, kept []row) []row {
	order := func(a, b row) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.seq, b.seq), cmp.Compare(a.client, b.client))
	}
	all := slices.Concat(stored, kept)
	slices.SortStableFunc(all, order)
	return slices.CompactFunc(all, func(a, b row) bool { return a == b })
}
