package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// Each directory testdata/vN is what version N of the format has left of the messages
// of sample: those of stream2 are settled, and a crash has torn the last one. It was
// made by TestSample with $SPOOL_SAMPLE naming the directory, and is never changed.
const samples = 20

func sample(i int) engine.Message {
	m := engine.Message{
		ID: fmt.Sprint("stream", i%3), Seq: int64(i + 1), Client: "client", Op: "report", Code: int64(i),
		Time: time.Unix(1_750_000_000, int64(i)).UTC(), Received: time.Unix(1_750_000_001, 0).UTC(),
		Remote: "192.0.2.1:4711", Sender: "sender", Data: fmt.Appendf(nil, `{"n":%d}`, i), Tag: int64(i),
	}
	if i%7 == 6 {
		m.Kind, m.Op, m.Data = engine.Done, "done", nil
	}
	return m
}

// TestSample reads what each version has left.
func TestSample(t *testing.T) {
	dirs, err := filepath.Glob("testdata/v*")
	if err != nil || len(dirs) != version {
		t.Errorf("there are samples in %v, %v: one of each version is needed", dirs, err)
	}
	fresh := newCrashFS()
	synctest.Test(t, func(t *testing.T) { makeSample(t, fresh) })
	if dir := os.Getenv("SPOOL_SAMPLE"); dir != "" {
		for name, n := range fresh.names {
			if err := os.WriteFile(filepath.Join(dir, name), n.data, 0o644); err != nil {
				t.Error(err)
			}
		}
	}
	checkSample(t, fresh)
	for _, dir := range dirs {
		fs := newCrashFS()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			fs.names[e.Name()] = &inode{data: data, name: e.Name()}
		}
		checkSample(t, fs)
	}
}

func makeSample(t *testing.T, fs *crashFS) {
	next := newHeld()
	next.auto = func(m *engine.Message) bool { return m.ID == "stream2" }
	r := start(t, fs, next, nil)
	for i := range samples {
		if err := r.Route(t.Context(), sample(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Second)
	fs.crash()
	image := fs.frozen
	if err := r.end(true); err == nil {
		t.Error("it has not crashed")
	}
	fs.frozen, fs.crashAt = nil, 0
	fs.names = image.durable
	fs.names[marksName].data = slices.Clone(image.durable[marksName].data)
	log := fs.names[segmentName(1)]
	at := offsets(t, fs, segmentName(1))
	log.resize(at[samples-1] + 40) // the last one is torn
}

func checkSample(t *testing.T, fs *crashFS) {
	t.Helper()
	next := newHeld()
	next.settleAll()
	r := start(t, fs, next, nil)
	if err := r.end(true); err != nil {
		t.Error(err)
	}
	var want, got []string
	for i := range samples - 1 {
		if m := sample(i); m.ID != "stream2" {
			m.Pos = uint64(i + 1)
			want = append(want, fmt.Sprintf("%+v", m))
		}
	}
	for _, m := range next.got() {
		got = append(got, fmt.Sprintf("%+v", m))
	}
	if !slices.Equal(got, want) {
		t.Errorf("found:\n%s\nnot:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if st := r.Stats(); st.Torn == 0 || st.Corrupt != 0 || st.Missing != 0 || st.Pending != 0 {
		t.Errorf("stats: %+v", st)
	}
}
