package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// ids are what the clients send about, in turn.
var ids = []string{"boiler", "pump", "valve"}

// poison is the reading that the database refuses.
const poison = 100

// judge compares what is stored, in the order in which it was stored, with
// what was sent: reading n is the n-th message of the client, to ids[n%3].
func (d *daemon) judge(sent int, refused ...int) {
	d.t.Helper()
	result, err := d.db.QueryContext(context.Background(), "SELECT id, seq, client, data FROM messages ORDER BY rowid")
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = result.Close() }()
	last, next, name := make(map[string]int64), make(map[string]int), ""
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
		want := next[id]*len(ids) + slices.Index(ids, id)
		if slices.Contains(refused, want) {
			want += len(ids)
			next[id]++
		}
		next[id]++
		if payload.Reading != want {
			d.t.Fatalf("%s has reading %d where %d is due: something is lost, doubled or out of order", id, payload.Reading, want)
		}
		if seq <= last[id] || client == "" || name != "" && client != name {
			d.t.Fatalf("reading %d has seq %d after %d, and client %q", want, seq, last[id], client)
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
