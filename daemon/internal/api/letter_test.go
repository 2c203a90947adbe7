package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/deadletters"
	"github.com/ingestd/ingestd/engine"
)

// FuzzLetter: what comes over is the letter, its data byte for byte.
func FuzzLetter(f *testing.F) {
	f.Add("17", "too long", `{"a" : "<&>`+" "+`" }`, int64(math.MaxInt64), true)
	f.Add("id\x00", "\x1b", "{\n}", int64(1), false)
	f.Add("", "", "\xff", int64(0), false)
	f.Add("", "", "", int64(0), false)
	f.Fuzz(func(t *testing.T, id, reason, data string, seq int64, replay bool) {
		at := time.Date(2024, 5, 7, 3, 33, 20, 123456789, time.UTC)
		want := deadletters.Letter{
			Number: seq, Message: engine.Message{
				Kind: engine.Done, ID: id, Seq: seq, Client: id, Op: "done", Code: -seq, Time: at, Received: at,
				Remote: "10.0.0.1:4000", Sender: "someone", Data: []byte(data),
			},
			Reason: reason, Code: "1406", Sink: "sqlite ingest.db", Refused: at, Attempts: 3,
		}
		if replay {
			want.Replay = 1
		}
		got, err := ParseLetter(AppendLetter(nil, &want, true))
		if err != nil {
			t.Fatal(err)
		}
		if !sameData(string(got.Message.Data), data) {
			t.Errorf("%q became %q", data, got.Message.Data)
		}
		got.Message.Data = want.Message.Data
		for _, text := range []string{id, reason} {
			if string([]rune(text)) != text {
				return // what is no UTF-8 is replaced
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v became %+v", want, got)
		}
	})
}

// sameData tells whether data came over: around JSON, white space means nothing.
func sameData(got, data string) bool {
	return got == data || strings.Trim(got, " \t\r\n") == strings.Trim(data, " \t\r\n")
}

func TestUnreadableLetter(t *testing.T) {
	_, err := ParseLetter(AppendUnreadable(nil, &deadletters.ReadError{Number: 7, Err: errors.New("kind \"x\" is none")}))
	bad, is := errors.AsType[*deadletters.ReadError](err)
	if !is || bad.Number != 7 || bad.Error() != `dead letter 7: kind "x" is none` {
		t.Error(err)
	}
}

func TestLetterWithoutData(t *testing.T) {
	l := deadletters.Letter{Number: 1, Message: engine.Message{Data: []byte("[1]")}}
	got, err := ParseLetter(AppendLetter(nil, &l, false))
	if err != nil || got.Message.Data != nil {
		t.Errorf("%q %v", got.Message.Data, err)
	}
}

// FuzzLetterLine: a letter is one line of JSON, and its data is in it, byte for
// byte.
func FuzzLetterLine(f *testing.F) {
	f.Add("17", "too long", []byte(`{"a" : "<&>" }`))
	f.Add("\xff\x00", "\x1b", []byte("{\n}"))
	f.Add("", "", []byte("\xff"))
	f.Fuzz(func(t *testing.T, id, reason string, data []byte) {
		line := AppendLetterLine(nil, &deadletters.Letter{Message: engine.Message{ID: id, Data: data}, Reason: reason})
		var got struct {
			Data   json.RawMessage `json:"data"`
			Base64 []byte          `json:"data_base64"`
		}
		if err := json.Unmarshal(line, &got); err != nil || bytes.ContainsAny(line, "\r\n") {
			t.Fatalf("%q: %v", line, err)
		}
		if got.Data != nil && !bytes.Equal(bytes.TrimSpace(got.Data), bytes.TrimSpace(data)) || got.Data == nil && !bytes.Equal(got.Base64, data) {
			t.Errorf("%q became %q", data, line)
		}
	})
}

// Numbers are numbers in a line, and a time that JSON cannot have is none.
func TestLetterLine(t *testing.T) {
	const most = math.MaxInt64
	l := deadletters.Letter{Number: 7, Message: engine.Message{ID: "17", Seq: most, Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}}
	line := string(AppendLetterLine(nil, &l))
	if !strings.HasPrefix(line, `{"number":7,`) || !strings.Contains(line, `"seq":9223372036854775807,`) ||
		!strings.Contains(line, `"sent_at":"0001-01-01T00:00:00Z"`) {
		t.Error(line)
	}
	if text := string(AppendLetter(nil, &l, false)); !strings.HasPrefix(text, `{"number":"7",`) || !strings.Contains(text, `"seq":"9223372036854775807",`) {
		t.Error(text)
	}
}
