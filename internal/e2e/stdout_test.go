package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Nothing but data comes to the standard output: a JSON object a line, every
// message there, in order, and a line for each stream that ends.
func TestStdout(t *testing.T) {
	d := start(t, t.TempDir(), "--set=sink=stdout", "--set=log.level=debug")
	r := run("stdout")
	const clients, share = 8, 500
	names := ids(40)
	sent := make(map[key]int)
	senders := make([]*sender, clients)
	each(t, clients, func(i int) error {
		senders[i] = newSender(r, i, names)
		c, err := dial(d.url(), "")
		if err != nil {
			return err
		}
		defer c.close()
		if err := senders[i].send(c, share); err != nil {
			return err
		}
		if err := c.flush(); err != nil {
			return err
		}
		a, err := c.ask(fmt.Sprintf(`{"op":"done","id":"end %d","code":%d,"data":[%d]}`, i, i, i), "done")
		if err == nil && a.Messages != nil {
			err = fmt.Errorf("a sink that cannot count says %d", *a.Messages)
		}
		return err
	})
	for _, x := range senders {
		x.attempted(sent)
	}
	// A shutdown marks nothing done: so their ends come first.
	eventually(t, "all connections are closed", func() bool { return strings.Count(d.log(), "connection closed: ") == clients })
	d.stop()

	var rows []row
	ends := make(map[string]string)
	for line := range strings.Lines(d.stdout.String()) {
		var x struct {
			ID        string
			Seq       int64
			Client    string
			Status    string
			EndReason string          `json:"end_reason"`
			EndCode   int             `json:"end_code"`
			EndData   json.RawMessage `json:"end_data"`
			Data      json.RawMessage
			SentAt    string `json:"sent_at"`
		}
		if err := json.Unmarshal([]byte(line), &x); err != nil || x.ID == "" || !strings.HasSuffix(line, "}\n") {
			t.Fatalf("%q is no line of data: %v", line, err)
		}
		if x.Status != "" {
			ends[x.ID] = fmt.Sprintf("%s %s %d %s", x.Status, x.EndReason, x.EndCode, x.EndData)
			continue
		}
		if !strings.HasPrefix(x.SentAt, "2024-05-07T") {
			t.Fatalf("sent_at is %s", x.SentAt)
		}
		rows = append(rows, row{x.ID, x.Seq, x.Client, r.unfold(x.ID, x.Data)})
	}
	r.judge(rows, sent, sent).fine(t, clients*share)
	for i := range clients {
		if got, want := ends[fmt.Sprintf("end %d", i)], fmt.Sprintf("done op %d [%d]", i, i); got != want {
			t.Errorf("stream %d: %s, not %s", i, got, want)
		}
	}
	for _, id := range names {
		if !strings.HasPrefix(ends[id], "done disconnect ") {
			t.Errorf("stream %s: %q", id, ends[id])
		}
	}
	d.quiet()
}

// unfold gives data back the line breaks that it was sent with, if they are all
// that it lacks.
func (r run) unfold(id string, data []byte) string {
	var d struct{ Sender, N int }
	if json.Unmarshal(data, &d) != nil {
		return string(data)
	}
	sent := r.payload(key{d.Sender, id}, d.N)
	var line bytes.Buffer
	if strings.Contains(sent, "\n") && json.Compact(&line, []byte(sent)) == nil && line.String() == string(data) {
		return sent
	}
	return string(data)
}
