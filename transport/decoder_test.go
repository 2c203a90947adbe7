package transport_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport"
)

// What a Decoder gives is what a WebSocket routes.
func TestDecoder(t *testing.T) {
	d := transport.NewDecoder("progress")
	d.Reset([]byte(`{"op":"progress","id":17,"seq":3,"time":1715050000,"code":-1,"data":[1]}
		{"op":"x","id":17,"seq":4} {"id":"a"} {"op":"done","id":1} {"op":"flush"} {"op":"resume","id":1} {`))
	m := engine.Message{Client: "c", Remote: "r"}
	next := func(want engine.Message) {
		t.Helper()
		if err := d.Next(&m); err != nil {
			t.Fatal(err)
		}
		if m.Kind != want.Kind || m.ID != want.ID || m.Seq != want.Seq || m.Op != want.Op || m.Code != want.Code ||
			!m.Time.Equal(want.Time) || string(m.Data) != string(want.Data) || m.Client != "c" || m.Remote != "r" {
			t.Fatalf("have %+v\nwant %+v", m, want)
		}
	}
	wrong := func(code, id string, seq int64) {
		t.Helper()
		e, ok := errors.AsType[*transport.DecodeError](d.Next(&m))
		if !ok || e.Code != code || e.ID != id || e.Seq != seq || e.Error() == "" || e.Error() != errors.Unwrap(e).Error() {
			t.Fatalf("have %+v, want %s", e, code)
		}
	}
	null := []byte("null")
	next(engine.Message{ID: "17", Seq: 3, Op: "progress", Code: -1, Time: time.Unix(1715050000, 0), Data: []byte("[1]")})
	wrong("unknown_op", "17", 4)
	next(engine.Message{ID: "a", Op: "report", Data: null})
	next(engine.Message{Kind: engine.Done, ID: "1", Op: "done", Data: null})
	next(engine.Message{Kind: engine.Flush, Op: "flush", Data: null})
	next(engine.Message{Kind: engine.Resume, ID: "1", Op: "resume", Data: null})
	wrong("bad_json", "", 0)
	if err := d.Next(&m); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}
