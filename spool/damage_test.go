package spool

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/long"
)

// offsets gives where the records of a segment begin, and where its seal does.
func offsets(t *testing.T, fs *crashFS, name string) (at []int64) {
	t.Helper()
	data := fs.names[name].data
	id, _, ok, err := parseSegmentHeader(data)
	if !ok || err != nil {
		t.Fatalf("header of %s: %v, %v", name, ok, err)
	}
	for off := int64(segmentHeadLen); off+headerLen <= int64(len(data)); {
		n := parseHeader(data[off:], id.salt())
		if n == 0 {
			break
		}
		at = append(at, off)
		off += n
	}
	return at
}

// TestTornTail cuts a segment at every offset of its last three records: it opens,
// and only what is cut is lost.
func TestTornTail(t *testing.T) {
	fs := filled(t, 10, 100)
	name := fs.segments()[0]
	at := offsets(t, fs, name) // of ten records and the seal
	for cut := at[7]; cut < int64(len(fs.names[name].data)); cut++ {
		torn := fs.clone()
		torn.names[name].resize(cut)
		whole := 0
		for _, next := range at[1:] {
			if next <= cut {
				whole++
			}
		}
		got, st := torn.found(t, nil)
		if !slices.Equal(got, upTo(whole)) || st.Corrupt != 0 || st.Missing != uint64(10-whole) {
			t.Fatalf("cut at %d: %v, %+v", cut, got, st)
		}
		// What comes then has its place behind, and survives, too.
		r := start(t, torn, newHeld(), nil)
		r.send("stream0", "99")
		if err := r.end(true); err != nil {
			t.Fatal(err)
		}
		if got, _ = torn.found(t, nil); !slices.Equal(got, append(upTo(whole), 99)) {
			t.Fatalf("cut at %d, then one more: %v", cut, got)
		}
	}
}

// TestBitRot damages each byte of a sealed segment: all but the record that is hit is
// found, and that is counted.
func TestBitRot(t *testing.T) {
	const messages = 400
	fs := filled(t, messages, 100)
	name := fs.segments()[0]
	at := offsets(t, fs, name)
	size := int64(len(fs.names[name].data))
	if size < 50_000 {
		t.Fatalf("the segment has %d bytes", size)
	}
	for off := int64(0); off < size; off += int64(long.Scale(97, 1)) {
		bad := fs.clone()
		bad.names[name].data[off] ^= byte(1 + off%255)
		var hit []int
		for i := range messages {
			if off >= at[i] && off < at[i+1] {
				hit = append(hit, i)
			}
		}
		got, st := bad.found(t, nil)
		if !slices.Equal(got, upTo(messages, hit...)) || st.Corrupt != uint64(len(hit)) || st.Missing != 0 {
			t.Fatalf("byte %d: %d messages are found, record %v was hit: %+v", off, len(got), hit, st)
		}
		if kept := slices.ContainsFunc(bad.all(), func(n string) bool { return strings.HasPrefix(n, quarantineDir) }); kept != (len(hit) > 0) {
			t.Fatalf("byte %d: something is kept aside: %v", off, kept)
		}
		if again, st := bad.found(t, nil); !slices.Equal(again, got) {
			t.Fatalf("byte %d: opened again it has %d messages: %+v", off, len(again), st)
		}
	}
}

func (c *crashFS) all() (names []string) {
	for name := range c.names {
		names = append(names, name)
	}
	return names
}

// TestZeroedPages does the same with whole pages, of the header, too.
func TestZeroedPages(t *testing.T) {
	const messages = 400
	fs := filled(t, messages, 100)
	name := fs.segments()[0]
	at := offsets(t, fs, name)
	size := int64(len(fs.names[name].data))
	for off := int64(0); off < at[messages]; off += 4096 {
		bad := fs.clone()
		clear(bad.names[name].data[off:min(off+4096, size)])
		var hit []int
		for i := range messages {
			if at[i+1] > off && at[i] < off+4096 {
				hit = append(hit, i)
			}
		}
		got, st := bad.found(t, nil)
		if !slices.Equal(got, upTo(messages, hit...)) || st.Corrupt+st.Missing != uint64(len(hit)) {
			t.Fatalf("page at %d: %d messages are found, %d were hit: %+v", off, len(got), len(hit), st)
		}
	}
}

// TestForgery sends a payload that is a record, and then loses the header of the
// record that it is in: it is not taken for one.
func TestForgery(t *testing.T) {
	fs := newCrashFS()
	r := start(t, fs, newHeld(), nil)
	forged := appendRecord(nil, &engine.Message{ID: "forged", Pos: 2, Data: []byte("1")}, handle{}, 2, 0)
	r.send("stream0", "0")
	r.send("stream1", "1"+string(forged)+string(forged))
	r.send("stream2", "2")
	if err := r.end(true); err != nil {
		t.Fatal(err)
	}
	name := fs.segments()[0]
	fs.names[name].data[offsets(t, fs, name)[1]] ^= 1
	if got, st := fs.found(t, nil); !slices.Equal(got, []int{0, 2}) || st.Corrupt != 1 {
		t.Errorf("%v, %+v", got, st)
	}
}

// TestFiles is about files that are not there, or should not be.
func TestFiles(t *testing.T) {
	const messages = 60
	big := filled(t, messages, 10_000) // several segments
	segs := big.segments()
	if len(segs) < 4 {
		t.Fatalf("there are %d segments", len(segs))
	}
	in := func(seg int) []int { // the messages of a segment
		first, _ := parseSegmentName(segs[seg])
		last := uint64(messages + 1)
		if seg+1 < len(segs) {
			last, _ = parseSegmentName(segs[seg+1])
		}
		return upTo(messages)[first-1 : last-1]
	}
	other := filled(t, 3, 10)
	behind := filled(t, messages, 10_000).names[marksName].data
	tests := []struct {
		name    string
		do      func(fs *crashFS)
		without []int
		missing int
		says    string
	}{
		{name: "nothing wrong", do: func(*crashFS) {}},
		{
			name: "a middle segment is deleted", do: func(fs *crashFS) { delete(fs.names, segs[1]) },
			without: in(1), missing: len(in(1)), says: "a segment is missing",
		},
		{
			name: "the first segment is deleted", do: func(fs *crashFS) { delete(fs.names, segs[0]) },
			without: in(0), missing: len(in(0)), says: "a segment is missing",
		},
		{
			name: "all segments are deleted", do: func(fs *crashFS) {
				for _, name := range segs {
					delete(fs.names, name)
				}
			},
			without: upTo(messages), missing: messages, says: "a segment is missing",
		},
		{
			name: "a middle segment is destroyed", do: func(fs *crashFS) { clear(fs.names[segs[1]].data) },
			without: in(1), missing: len(in(1)), says: "a segment is missing",
		},
		{
			name: "a middle segment is cut", do: func(fs *crashFS) { fs.names[segs[1]].resize(200) },
			without: in(1), missing: len(in(1)), says: "a segment is missing",
		},
		{
			name: "a segment is renamed", do: func(fs *crashFS) {
				fs.names[segmentName(9999)] = fs.names[segs[1]]
				delete(fs.names, segs[1])
			}, says: "gets its name again",
		},
		{name: "no marks", do: func(fs *crashFS) { delete(fs.names, marksName) }, says: "is missing: all that the spool holds"},
		{name: "empty marks", do: func(fs *crashFS) { fs.names[marksName].resize(0) }, says: "is damaged: all that the spool holds"},
		{
			name: "garbage for marks", do: func(fs *crashFS) { fs.names[marksName].data = []byte(strings.Repeat("garbage ", 99)) },
			says: "is damaged: all that the spool holds",
		},
		{
			name: "garbage behind the marks", do: func(fs *crashFS) { fs.names[marksName].data = append(fs.names[marksName].data, "garbage"...) },
			says: "is not valid, and is cut off",
		},
		{
			name: "marks of another spool", do: func(fs *crashFS) { fs.names[marksName].data = behind },
			says: "is that of another spool",
		},
		{
			name: "marks ahead of the log", do: func(fs *crashFS) {
				m, _, _ := parseMarks(fs.names[marksName].data)
				b := marksHeader(m.id, 1, messages+50)
				fs.names[marksName].data, _ = appendBlocks(b, slices.Values([]span{{messages + 1, messages + 50}}), m.id.salt())
			},
		},
		{
			name: "a segment of another spool", do: func(fs *crashFS) { fs.names[segs[1]].data = other.names[segs[0]].data },
			without: in(1), missing: len(in(1)), says: "another spool",
		},
		{
			name: "foreign files", do: func(fs *crashFS) {
				fs.names["notes.txt"] = &inode{data: []byte("hello")}
				fs.names["1.seg"] = &inode{}
				fs.names[marksTmpName] = &inode{}
			}, says: "file=notes.txt",
		},
		{
			name: "a segment that a crash left empty", do: func(fs *crashFS) { fs.names[segmentName(messages+1)] = &inode{} },
		},
		{
			name: "a segment that a crash left allocated", do: func(fs *crashFS) {
				fs.names[segmentName(messages+1)] = &inode{data: make([]byte, 4096)}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fs := big.clone()
			tt.do(fs)
			var log logText
			got, st := fs.found(t, func(c *Config) { c.Logger = hclog.New(&hclog.LoggerOptions{Output: &log}) })
			if !slices.Equal(got, upTo(messages, tt.without...)) {
				t.Errorf("%d messages are found: %v\n%s", len(got), got, log.String())
			}
			if int(st.Missing) != tt.missing {
				t.Errorf("%d messages are missing, not %d\n%s", st.Missing, tt.missing, log.String())
			}
			if tt.says == "" && (strings.Contains(log.String(), "ERROR") || strings.Contains(log.String(), "WARN")) || !strings.Contains(log.String(), tt.says) {
				t.Errorf("the log does not say %q:\n%s", tt.says, log.String())
			}
			if fs.names["notes.txt"] == nil && tt.name == "foreign files" {
				t.Error("the foreign file is gone")
			}
			// Positions go on above all that was seen.
			r := start(t, fs, newHeld(), nil)
			if r.begin <= messages {
				t.Errorf("positions go on with %d", r.begin)
			}
			r.send("stream0", "999")
			if err := r.end(true); err != nil {
				t.Fatal(err)
			}
			if again, st := fs.found(t, nil); !slices.Equal(again, append(got, 999)) || st.Missing != 0 {
				t.Errorf("later %d messages are found: %+v", len(again), st)
			}
		})
	}
}

// TestVersions refuses files of a newer version.
func TestVersions(t *testing.T) {
	for _, name := range []string{segmentName(1), marksName} {
		fs := filled(t, 3, 10)
		data := fs.names[name].data
		b := []byte(strings.Repeat("some other layout", 10))
		copy(b, data[:8])
		b[8], b[9], b[10], b[11] = 2, 0, 0, 0
		fs.names[name].data = b
		_, err := Open(config(fs))
		var v *VersionError
		if !errors.As(err, &v) || v.File != name || v.Version != 2 || !strings.Contains(err.Error(), "run the version of the program") {
			t.Errorf("%s: %v", name, err)
		}
		if open := fs.leaks(); len(open) > 0 {
			t.Errorf("still open: %v", open)
		}
	}
}

// TestHoleInTheLastBatch damages a record of a segment that was not sealed. In the
// last batch that is what a crash leaves: what comes behind it was never synced, would
// overtake what is lost, and is cut off, but kept aside. Before the last batch it is
// damage, and costs nothing else.
func TestHoleInTheLastBatch(t *testing.T) {
	id := identity{1}
	for hole := range 6 {
		data := segmentHeader(id, 1)
		var at []int
		for i := range 6 {
			m := engine.Message{ID: fmt.Sprint("stream", i%3), Pos: uint64(i + 1), Data: fmt.Append(nil, i)}
			batch := uint64(1)
			if i >= 3 {
				batch = 4
			}
			at = append(at, len(data))
			data = appendRecord(data, &m, handle{}, batch, id.salt())
		}
		data[at[hole]+30] ^= 1
		fs := newCrashFS()
		fs.names[segmentName(1)] = &inode{data: append(data, make([]byte, 5000)...), name: segmentName(1)}
		want, corrupt := upTo(6, hole), uint64(1)
		if hole >= 3 {
			want, corrupt = upTo(hole), 0
		}
		got, st := fs.found(t, nil)
		if !slices.Equal(got, want) || st.Corrupt != corrupt || (st.Torn > 0) != (hole >= 3) {
			t.Errorf("hole at %d: %v, %+v", hole, got, st)
		}
		kept := slices.ContainsFunc(fs.all(), func(n string) bool { return strings.HasPrefix(n, quarantineDir) })
		if kept != (hole < 5) { // behind the last one there is nothing
			t.Errorf("hole at %d: something is kept aside: %v", hole, kept)
		}
	}
}
