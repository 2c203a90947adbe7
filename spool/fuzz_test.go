package spool

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// FuzzSegmentReader opens a spool with any bytes for a segment, and reads it: nothing
// panics, what is read is a message, and opening it again finds the same.
func FuzzSegmentReader(f *testing.F) {
	id := identity{1, 2, 3}
	segment := segmentHeader(id, 1)
	now := time.Unix(1_700_000_000, 0).UTC()
	for i := range uint64(3) {
		m := engine.Message{Kind: engine.Kind(i), ID: fmt.Sprint(i), Pos: i + 1, Seq: 7, Client: "c", Time: now, Received: now, Data: []byte("null")}
		segment = appendRecord(segment, &m, handle{1, 2}, 1, id.salt())
	}
	f.Add(segment)
	f.Add(appendSeal(segment, 4, id.salt()))
	f.Add(segment[:len(segment)-5])
	f.Add(append(bytes.Clone(segment), make([]byte, 100)...))
	nums := numbers()
	read := func(t *testing.T, fs *crashFS) (got []string) {
		c := config(fs)
		c.Numbers = nums
		s, err := Open(c)
		if err != nil {
			return []string{err.Error()}
		}
		cur, d := cursor{s: s}, decoder{}
		for {
			rec, ok, err := cur.read()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			var m engine.Message
			if _, err := d.decode(&rec, &m); err == nil {
				got = append(got, fmt.Sprintf("%s %+v", rec.id(), m))
			}
		}
		cur.close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return got
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fs := newCrashFS()
		fs.numbers = nums
		fs.names[segmentName(1)] = &inode{data: bytes.Clone(b), name: segmentName(1)}
		first := read(t, fs)
		if again := read(t, fs); fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("first %v, then %v", first, again)
		}
	})
}

// FuzzMarks reads any bytes as settled.log: nothing panics, what is valid of it is a
// prefix, and what is read and written again is the same.
func FuzzMarks(f *testing.F) {
	id := identity{1, 2, 3}
	b := marksHeader(id, 5, 50)
	f.Add(b)
	b, last := appendBlocks(b, slices.Values([]span{{7, 9}, {20, 21}}), id.salt())
	f.Add(b)
	b, _ = appendBlocks(b, slices.Values([]span{{6, 30}}), last)
	f.Add(b)
	f.Add(b[:len(b)-2])
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok, err := parseMarks(b)
		if !ok || err != nil {
			return
		}
		if prefix, ok, _ := parseMarks(b[:len(b)-int(m.cut)]); !ok || prefix.cut != 0 || fmt.Sprint(prefix.spans) != fmt.Sprint(m.spans) {
			t.Errorf("%+v, and of its valid part %+v", m, prefix)
		}
		again := marksHeader(m.id, m.floor, m.next)
		again, _ = appendBlocks(again, slices.Values(m.spans), m.id.salt())
		if back, ok, err := parseMarks(again); !ok || err != nil || fmt.Sprint(back.spans) != fmt.Sprint(m.spans) || back.next != m.next {
			t.Errorf("%+v was written, and %+v read: %v", m, back, err)
		}
	})
}
