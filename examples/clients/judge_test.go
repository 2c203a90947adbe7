package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// ids are what the clients send about, in turn. They are not equally busy: so some
// wait for an ack while others get theirs.
var ids = []string{"boiler", "boiler", "pump", "boiler", "boiler", "valve"}

// poison is the reading that the database refuses.
const poison = 100

// judge compares what is stored, in the order in which it was stored, with what
// was sent: reading n, from 0 to sent-1, to ids[n%6].
func (d *daemon) judge(sent int, refused ...int) {
	d.t.Helper()
	result, err := d.db.QueryContext(context.Background(), "SELECT id, seq, client, data FROM messages ORDER BY rowid")
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = result.Close() }()
	due := make(map[string][]int)
	for n := range sent {
		if id := ids[n%len(ids)]; !slices.Contains(refused, n) {
			due[id] = append(due[id], n)
		}
	}
	last, name := make(map[string]int64), ""
	all := 0
	for ; result.Next(); all++ {
		var id, client, data string
		var seq int64
		if err := result.Scan(&id, &seq, &client, &data); err != nil {
			d.t.Fatal(err)
		}
		var payload struct{ Reading int }
		if err := json.Unmarshal([]byte(data), &payload); err != nil {
			d.t.Fatal(err)
		}
		if len(due[id]) == 0 || payload.Reading != due[id][0] {
			d.t.Fatalf("%s has reading %d, and due are %d: something is lost, doubled or out of order",
				id, payload.Reading, due[id][:min(3, len(due[id]))])
		}
		due[id] = due[id][1:]
		if seq <= last[id] || client == "" || name != "" && client != name {
			d.t.Fatalf("reading %d has seq %d after %d, and client %q", payload.Reading, seq, last[id], client)
		}
		last[id], name = seq, client
	}
	if err := result.Err(); err != nil {
		d.t.Fatal(err)
	}
	if all != sent-len(refused) {
		d.t.Errorf("%d rows: %d were sent, and %d of them refused", all, sent, len(refused))
	}
}

// summary reads what a client says at its end.
func summary(t *testing.T, said string) (sent, refused int) {
	t.Helper()
	if _, err := fmt.Sscanf(said, "%d sent, %d refused", &sent, &refused); err != nil {
		t.Fatalf("the client says %q: %v", said, err)
	}
	return sent, refused
}
