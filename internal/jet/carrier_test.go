package jet_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
)

var update = flag.Bool("update", false, "write the golden files anew")

// read gives the messages of a carrier.
func read(t interface {
	Helper()
	Fatal(args ...any)
}, data []byte,
) (jet.Header, []engine.Message) {
	t.Helper()
	c, err := jet.ReadCarrier(data)
	if err != nil {
		t.Fatal(err)
	}
	var all []engine.Message
	var m engine.Message
	reports, ends := 0, 0
	for c.Next(&m) {
		all = append(all, m)
		if m.Kind == engine.Report {
			reports++
		} else {
			ends++
		}
	}
	if c.Next(&m) {
		t.Fatal("there is a message after the last")
	}
	if reports != c.Messages || ends != c.Ends {
		t.Fatal(fmt.Sprintf("has %d reports and %d ends, and says %d and %d", reports, ends, c.Messages, c.Ends))
	}
	return c.Header, all
}

// routed are the messages that batches are made of, as they are to be routed.
func routed(batches []engine.Batch) (all []engine.Message) {
	add := func(m engine.Message, id string) {
		m.ID, m.Tag, m.Pos = id, 0, 0
		if len(m.Data) == 0 {
			m.Data = nil
		}
		m.Time, m.Received = m.Time.UTC(), m.Received.UTC()
		all = append(all, m)
	}
	for _, b := range batches {
		for _, m := range b.Messages {
			add(m, b.ID)
		}
		if b.End == "" {
			continue
		}
		end := engine.Message{}
		if b.Final != nil {
			end = *b.Final
		}
		if !b.Ended.IsZero() || b.Final == nil {
			end.Received = b.Ended
		}
		end.Kind = engine.Done
		if b.End == engine.EndDisconnect {
			end.Kind = engine.Disconnect
		}
		add(end, b.ID)
	}
	return all
}

func drawTime(t *rapid.T) time.Time {
	return rapid.OneOf(
		rapid.Just(time.Time{}),
		rapid.Custom(func(t *rapid.T) time.Time {
			return time.Unix(rapid.Int64Range(1.7e9, 1.7e9+5).Draw(t, "s"), rapid.SampledFrom([]int64{0, 1, 999_999_999}).Draw(t, "ns"))
		}),
		rapid.Custom(func(t *rapid.T) time.Time { // the years 0 to 9999
			return time.Unix(rapid.Int64Range(-62167219200, 253402300799).Draw(t, "any s"), rapid.Int64Range(0, 999_999_999).Draw(t, "any ns"))
		}),
	).Draw(t, "time")
}

func drawMessage(t *rapid.T, id string) engine.Message {
	text := rapid.SampledFrom([]string{"", "a", "report", "phone-7", strings.Repeat("x", 300), "ü"})
	return engine.Message{
		ID: id, Client: text.Draw(t, "client"), Op: text.Draw(t, "op"), Remote: text.Draw(t, "remote"),
		Sender: text.Draw(t, "sender"), Seq: rapid.Int64().Draw(t, "seq"),
		Code: rapid.OneOf(rapid.Just(int64(0)), rapid.Int64()).Draw(t, "code"),
		Time: drawTime(t), Received: drawTime(t), Data: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "data"),
		Replayed: rapid.Bool().Draw(t, "replayed"), Tag: 1, Pos: 2,
	}
}

func drawBatches(t *rapid.T) []engine.Batch {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) engine.Batch {
		b := engine.Batch{ID: rapid.StringN(1, 30, 255).Draw(t, "id"), Resume: rapid.SampledFrom([]string{"", "phone-7"}).Draw(t, "resume")}
		for range rapid.IntRange(0, 4).Draw(t, "messages") {
			b.Messages = append(b.Messages, drawMessage(t, b.ID))
		}
		b.End = rapid.SampledFrom([]engine.EndReason{"", engine.EndOp, engine.EndDisconnect}).Draw(t, "end")
		if b.End == "" {
			return b
		}
		b.Ended = drawTime(t)
		if b.End == engine.EndOp && rapid.Bool().Draw(t, "final") {
			final := drawMessage(t, b.ID)
			final.Kind = engine.Done
			b.Final = &final
		}
		return b
	}), 0, 5).Draw(t, "batches")
}

// What is put into a carrier comes out of it, in the order of routing.
func TestCarrier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := jet.Header{Flow: rapid.Uint64().Draw(t, "flow"), N: rapid.Uint64().Draw(t, "n")}
		batches := drawBatches(t)
		data := jet.AppendCarrier([]byte("before"), jet.Header{Flow: h.Flow}, batches)[len("before"):]
		jet.SetNumber(data, h.N)
		got, messages := read(t, data)
		if got != h {
			t.Fatalf("header is %+v, not %+v", got, h)
		}
		if want := routed(batches); !reflect.DeepEqual(messages, want) {
			t.Fatalf("messages are\n%+v, not\n%+v", messages, want)
		}
		// A part of it is a carrier only where a batch ends.
		cut := rapid.IntRange(0, len(data)).Draw(t, "cut")
		if c, err := jet.ReadCarrier(data[:cut]); err == nil && (cut < jet.HeaderLen || c.Messages+c.Ends > len(messages)) {
			t.Fatalf("%d of %d bytes are a carrier: %+v", cut, len(data), c)
		}
	})
}

// sample has a bit of everything.
func sample() []engine.Batch {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	final := engine.Message{
		Kind: engine.Done, ID: "17", Client: "phone-7", Op: "done", Seq: 44, Code: -1, Received: at.Add(2 * time.Second),
		Remote: "10.0.0.1:5123", Sender: "phones", Data: []byte(`{"left":0}`),
	}
	return []engine.Batch{
		{ID: "17", Messages: []engine.Message{
			{
				ID: "17", Seq: 42, Client: "phone-7", Op: "report", Code: 200, Time: at.Add(-time.Minute), Received: at,
				Remote: "10.0.0.1:5123", Sender: "phones", Data: []byte(`{"celsius":20.5}`),
			},
			{
				ID: "17", Seq: 43, Client: "phone-7", Op: "report", Received: at.Add(time.Millisecond),
				Remote: "10.0.0.1:5123", Sender: "phones", Data: []byte(`{"celsius":21}`), Replayed: true,
			},
		}, End: engine.EndOp, Ended: at.Add(2 * time.Second), Final: &final},
		{ID: "only asked for", Resume: "phone-7"},
		{ID: "18", Messages: []engine.Message{
			{ID: "18", Seq: engine.FirstOwnSeq + 1, Op: "report", Received: at.Add(time.Second), Remote: "[::1]:9", Data: nil},
		}, End: engine.EndDisconnect, Ended: at.Add(3 * time.Second)},
	}
}

// The bytes of layout 1, for ever: carriers lie in streams when a program is
// upgraded.
func TestLayout(t *testing.T) {
	const file = "testdata/carrier-1.hex"
	got := jet.AppendCarrier(nil, jet.Header{Flow: 0x0102030405060708, N: 9}, sample())
	if *update {
		if err := os.WriteFile(file, []byte(hex.Dump(got)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if dump := hex.Dump(got); dump != string(want) {
		t.Errorf("the layout has changed; it is\n%snot\n%s", dump, want)
	}
	h, messages := read(t, got)
	if h != (jet.Header{Flow: 0x0102030405060708, N: 9}) || !reflect.DeepEqual(messages, routed(sample())) {
		t.Errorf("%+v %+v", h, messages)
	}
}

// What is not a carrier is told from one that is too new.
func TestNoCarrier(t *testing.T) {
	good := jet.AppendCarrier(nil, jet.Header{}, sample())
	newer := bytes.Clone(good)
	newer[4] = 2
	if _, err := jet.ReadCarrier(newer); !errors.Is(err, jet.ErrNewer) {
		t.Errorf("version 2: %v", err)
	}
	older := bytes.Clone(good)
	older[4] = 0
	for name, data := range map[string][]byte{
		"nothing": nil, "text": []byte("hello, this is no carrier"), "version 0": older,
		"half a header": good[:jet.HeaderLen-1], "cut": good[:len(good)-1], "more": append(bytes.Clone(good), 0),
		"no id":           append(bytes.Clone(good), 0, 1, 0, 0),
		"nothing in it":   append(bytes.Clone(good), 1, 'x', 0, 0),
		"unknown flag":    append(bytes.Clone(good), 1, 'x', 8, 0),
		"two ends":        append(bytes.Clone(good), 1, 'x', 3, 0, 1),
		"a final, no end": append(bytes.Clone(good), 1, 'x', 4, 1, 0, 0, 1, 0),
		"too many":        append(bytes.Clone(good), 1, 'x', 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
		"unknown more":    append(bytes.Clone(good), 1, 'x', 0, 1, 64, 2, 0, 1, 0),
		"unknown bit":     append(bytes.Clone(good), 1, 'x', 0, 1, 128, 0, 1, 0),
	} {
		if _, err := jet.ReadCarrier(data); !errors.Is(err, jet.ErrNotACarrier) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// So little makes it good again.
	if _, messages := read(t, append(bytes.Clone(good), 1, 'x', 0, 1, 64, 1, 0, 1, 0)); len(messages) != 6 {
		t.Errorf("%+v", messages)
	}
}

// Reading allocates no more than a few strings for a batch.
func TestReadAllocates(t *testing.T) {
	data := jet.AppendCarrier(nil, jet.Header{}, manyBatches(10, 100))
	n := testing.AllocsPerRun(100, func() {
		c, err := jet.ReadCarrier(data)
		if err != nil {
			t.Fatal(err)
		}
		var m engine.Message
		for c.Next(&m) {
		}
	})
	if n > 1+1+10 { // the carrier, "report", and a remote for each batch
		t.Errorf("%v allocations", n)
	}
}

func manyBatches(streams, rows int) []engine.Batch {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	batches := make([]engine.Batch, streams)
	for i := range batches {
		b := &batches[i]
		b.ID = fmt.Sprintf("stream-%06d", i)
		for j := range rows {
			b.Messages = append(b.Messages, engine.Message{
				ID: b.ID, Seq: engine.FirstOwnSeq + int64(j)<<9, Op: "report", Received: at.Add(time.Duration(i*rows+j) * time.Millisecond),
				Remote: fmt.Sprintf("10.0.0.1:%d", i), Data: []byte(`{"text":"` + strings.Repeat("x", 139) + `"}`),
			})
		}
	}
	return batches
}

// Whatever comes in a message of JetStream, reading it neither fails nor gives what
// cannot be written and read again.
func FuzzCarrier(f *testing.F) {
	f.Add(jet.AppendCarrier(nil, jet.Header{Flow: 1, N: 2}, sample()))
	f.Add(jet.AppendCarrier(nil, jet.Header{}, manyBatches(2, 2)))
	f.Add([]byte("ingc"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := jet.ReadCarrier(data)
		if err != nil {
			return
		}
		if c.Messages+c.Ends > len(data) {
			t.Fatalf("%d messages in %d bytes", c.Messages+c.Ends, len(data))
		}
		h, messages := read(t, data)
		var batches []engine.Batch
		for _, m := range messages {
			b := engine.Batch{ID: m.ID, Ended: m.Received}
			switch m.Kind {
			case engine.Report:
				b.Messages = []engine.Message{m}
			case engine.Done:
				b.End, b.Final = engine.EndOp, &m
			default:
				b.End, b.Final = engine.EndDisconnect, &m
			}
			batches = append(batches, b)
		}
		again, same := read(t, jet.AppendCarrier(nil, h, batches))
		if again != h || !reflect.DeepEqual(same, messages) {
			t.Fatalf("%+v\n%+v, not\n%+v\n%+v", again, same, h, messages)
		}
	})
}

func BenchmarkCarrier(b *testing.B) {
	batches := manyBatches(13, 10) // of a group of 8,000 in 64 partitions
	per := func(b *testing.B) { b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/130, "ns/msg") }
	data := jet.AppendCarrier(nil, jet.Header{}, batches)
	b.Run("Append", func(b *testing.B) {
		b.ReportAllocs()
		buffer := make([]byte, 0, len(data))
		for b.Loop() {
			jet.AppendCarrier(buffer, jet.Header{}, batches)
		}
		per(b)
		b.ReportMetric(float64(len(data))/130, "B/msg")
	})
	b.Run("Read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, _ := jet.ReadCarrier(data)
			var m engine.Message
			for c.Next(&m) {
			}
		}
		per(b)
	})
}
