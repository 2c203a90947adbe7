package spool

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingestd/ingestd/engine"
)

// TestRecordKeepsAll writes any message and reads it again.
func TestRecordKeepsAll(t *testing.T) {
	var d decoder
	rapid.Check(t, func(t *rapid.T) {
		instant := rapid.Custom(func(t *rapid.T) time.Time {
			return time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
		})
		m := engine.Message{
			Kind:   engine.Kind(rapid.IntRange(0, int(engine.Resume)).Draw(t, "kind")),
			ID:     rapid.StringN(1, 60, engine.MaxIDLen).Draw(t, "id"),
			Seq:    rapid.Int64().Draw(t, "seq"),
			Client: rapid.StringN(0, 20, engine.MaxClientLen).Draw(t, "client"),
			Op:     rapid.String().Draw(t, "op"),
			Code:   rapid.Int64().Draw(t, "code"),
			Time:   instant.Draw(t, "time"), Received: instant.Draw(t, "received"),
			Remote: rapid.String().Draw(t, "remote"), Sender: strings.Repeat("s", rapid.IntRange(0, 500).Draw(t, "sender")),
			Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"), Tag: rapid.Int64().Draw(t, "tag"), Pos: 77,
			Replayed: rapid.Bool().Draw(t, "replayed"),
		}
		if len(m.Data) == 0 && rapid.Bool().Draw(t, "nil") {
			m.Data = nil
		}
		h := handle{rapid.Uint32().Draw(t, "slot"), rapid.Uint32().Draw(t, "tenant")}
		leased := m
		leased.Lease = engine.NewLease(0) // is not kept: the spool takes the message over
		b := appendRecord(nil, &leased, h, 70, 42)
		if int64(len(b)) > payloadLen(&m)+frameLen {
			t.Fatalf("the record has %d bytes, more than was thought", len(b))
		}
		rd := reader{salt: 42}
		rd.reset(bytes.NewReader(b), 0, int64(len(b)))
		f, skipped, ok, err := rd.next()
		if !ok || skipped != 0 || err != nil || f.position != 77 || f.batch != 70 || f.seal {
			t.Fatalf("%+v, %d, %v, %v", f, skipped, ok, err)
		}
		var got engine.Message
		back, err := d.decode(&f, &got)
		got.ID = string(f.id())
		if err != nil || back != h || !reflect.DeepEqual(got, m) {
			t.Fatalf("%+v with %v was written, %+v with %v read: %v", m, h, got, back, err)
		}
	})
}

// TestMessageIsWhole fails when engine.Message gets a field that records do not keep.
func TestMessageIsWhole(t *testing.T) {
	if n := reflect.TypeFor[engine.Message]().NumField(); n != 15 {
		t.Errorf("a message has %d fields: do records keep all of them, and does TestRecordKeepsAll fill them?", n)
	}
}
