package ladder

import (
	"testing"
	"time"
)

func TestDecode(t *testing.T) {
	from := sender{client: "phone", remote: "127.0.0.1:1"}
	at := time.Unix(1715050000, 0).UTC()
	for frame, want := range map[string]message{
		`{"op":"report","id":17,"seq":3,"time":"1715050000","data":{ "n" : 1}}`: {
			id: "17", op: "report", number: 3, at: at, data: `{ "n" : 1}`,
		},
		`{"op":"report","id":"a-7","seq":3,"time":1715050000,"data":null}`: {
			id: "a-7", op: "report", number: 3, at: at, data: `null`,
		},
		`{"op":"done","id":17,"time":"2024-05-07T02:46:40Z"}`: {id: "17", op: "done"},
		`{"op":"done","id":17,"time":"1715050000000"}`:        {id: "17", op: "done"},
	} {
		got, err := decode([]byte(frame), from)
		if err != nil {
			t.Error(err)
		}
		want.sender, want.received = from, got.received
		if want.at.IsZero() {
			want.at = got.received // a time that says nothing here
		}
		if got != want {
			t.Errorf("%s: %+v", frame, got)
		}
	}
	for _, frame := range []string{"", "no json", `{"op":"report","id":17`, `[]`} {
		if m, err := decode([]byte(frame), from); err == nil {
			t.Errorf("%q: %+v", frame, m)
		}
	}
}
