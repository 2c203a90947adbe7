package client

import (
	"bytes"
	"testing"
)

// FuzzJournal reads whatever may stand in a file. What is read is what was written:
// a good record, written again, is the same bytes or shorter ones that say the same.
func FuzzJournal(f *testing.F) {
	good := appendRecord(nil, record{recordName, 7, "phone", nil})
	good = appendRecord(good, record{recordMessage, 1 << 60, "id", []byte(`{"id":"id"}`)})
	good = appendRecord(good, record{recordAck, 3, "", nil})
	f.Add(good)
	f.Add(good[5:])
	f.Add(good[:len(good)-1])
	f.Add(bytes.Repeat(recordMark, 9))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			r, rest, ok := parseRecord(b)
			if len(rest) >= len(b) {
				t.Fatalf("%d bytes are left of %d", len(rest), len(b))
			}
			if ok {
				again := appendRecord(nil, r)
				same, n := readRecord(again)
				if n != len(again) || n > len(b)-len(rest) || same.kind != r.kind || same.seq != r.seq ||
					same.id != r.id || !bytes.Equal(same.body, r.body) {
					t.Fatalf("%+v was written as %+v", r, same)
				}
			}
			b = rest
		}
	})
}
