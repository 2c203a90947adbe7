package deadletters

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// Whatever a message has comes back as it was.
func TestLettersComeBackAsTheyWere(t *testing.T) {
	s := newStore(t)
	plain := letter("17", 42)
	done := letter("17", 0)
	done.Message.Kind, done.Message.Op = engine.Done, "done"
	odd := letter("id\x00 with \x1b[31m and \u202e ", engine.FirstOwnSeq+1)
	odd.Message.Client = ""
	odd.Message.Op, odd.Message.Remote, odd.Message.Sender = "op\xff", "\x00", "\xc3\x28"
	odd.Message.Data = []byte("not UTF-8: \xff\xfe\x00, not JSON")
	odd.Message.Code = math.MinInt64
	odd.Message.Time = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	odd.Message.Received = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	far := letter("far", math.MaxInt64)
	far.Message.Code, far.Message.Data = math.MaxInt64, nil
	letters := []engine.DeadLetter{plain, done, odd, far}
	keep(t, s, letters...)

	got := all(t, s, Filter{})
	if len(got) != len(letters) {
		t.Fatalf("%d letters, want %d", len(got), len(letters))
	}
	for i, l := range letters {
		m := l.Message
		if m.Data == nil {
			m.Data = []byte{}
		}
		want := Letter{
			Number: int64(i + 1), Message: m, Reason: "too long", Code: "1406", Sink: "test", Refused: l.Refused, Attempts: 1,
		}
		if !reflect.DeepEqual(got[i], want) {
			t.Errorf("got  %+v\nwant %+v", got[i], want)
		}
		one, err := s.Get(bg, int64(i+1))
		if err != nil || !reflect.DeepEqual(one, want) {
			t.Errorf("Get: %+v, %v", one, err)
		}
	}
	if _, err := s.Get(bg, 99); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get of a letter that is not there: %v", err)
	}
}

// Times that no sink keeps are moved to the nearest that it does.
func TestTimesOutOfRange(t *testing.T) {
	s := newStore(t)
	l := letter("a", 1)
	l.Message.Time, l.Message.Received = time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)
	keep(t, s, l)
	m := all(t, s, Filter{})[0].Message
	if m.Time.Year() != 1 || m.Received.Year() != 9999 {
		t.Errorf("%v, %v", m.Time, m.Received)
	}
}

func TestAMessageRefusedAgainIsNoSecondLetter(t *testing.T) {
	s := newStore(t)
	first := letter("a", 1)
	keep(t, s, first)
	again := first
	again.Err, again.Code, again.Attempts = errors.New("out of range"), "1264", 2
	again.Refused = first.Refused.Add(time.Hour)
	again.Message.Received = first.Message.Received.Add(time.Hour) // the client sent it again
	keep(t, s, again)
	if err := s.Keep(bg, []engine.DeadLetter{again, again}); err != nil {
		t.Fatal(err)
	}
	got := all(t, s, Filter{})
	if len(got) != 1 || got[0].Attempts != 7 || got[0].Reason != "out of range" || got[0].Code != "1264" ||
		!got[0].Refused.Equal(again.Refused) || !got[0].Message.Received.Equal(first.Message.Received) {
		t.Errorf("%+v", got)
	}

	// Each of these is another message.
	others := []func(m *engine.Message){
		func(m *engine.Message) { m.ID = "b" },
		func(m *engine.Message) { m.Seq = 2 },
		func(m *engine.Message) { m.Client = "tablet" },
		func(m *engine.Message) { m.Kind = engine.Done },
		func(m *engine.Message) { m.Op = "other" },
		func(m *engine.Message) { m.Code = 4 },
		func(m *engine.Message) { m.Data = []byte("{}") },
		func(m *engine.Message) { m.ID, m.Client = "ap", "hone" },
	}
	for _, change := range others {
		other := first
		change(&other.Message)
		keep(t, s, other)
	}
	total(t, s, int64(1+len(others)))
}

func TestReasonsAreBoundedAndRedacted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s, err := Open(bg, path, Options{Redact: func(text string) string { return strings.ReplaceAll(text, "secret", "***") }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	l := letter("a", 1)
	l.Err = errors.New("secret\xff " + strings.Repeat("ä", mostReason))
	keep(t, s, l)
	got := all(t, s, Filter{})[0].Reason
	if !strings.HasPrefix(got, "***\uFFFD ä") || len(got) > mostReason+10 {
		t.Errorf("%d bytes: %q…", len(got), got[:20])
	}
}

func TestTheFileIsItsOwnersAlone(t *testing.T) {
	s := newStore(t)
	keep(t, s, letter("a", 1))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(s.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", info.Name(), info.Mode())
		}
	}
	entries, err := os.ReadDir(filepath.Dir(s.path))
	if err != nil || len(entries) != 3 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestLettersAreThereAfterAReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead-letters.db")
	for i := range int64(3) {
		s, err := Open(bg, path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		keep(t, s, letter("a", i+1))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	total(t, openStore(t, path), 3)
}

// A number is never used again, not even the last one.
func TestNumbersAreNotUsedAgain(t *testing.T) {
	s := newStore(t)
	keep(t, s, letter("a", 1), letter("a", 2))
	if n, err := s.Discard(bg, Filter{}); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	keep(t, s, letter("a", 3))
	if got := numbers(t, s, Filter{}); got[0] != 3 {
		t.Errorf("%v", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	newer := filepath.Join(dir, "newer.db")
	s, err := Open(bg, newer, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := <-s.writer
	if _, err := c.ExecContext(bg, "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	s.writer <- c
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, why := range map[string]string{
		newer:                            "it has version 99, and this program knows 1",
		text:                             "not a database",
		dir:                              "",
		filepath.Join(dir, "none", "db"): "no such file or directory",
	} {
		if s, err := Open(bg, path, Options{}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, %v", path, s, err)
		}
	}
}

// Files of a version are opened by every later one.
func TestMigrationKeepsLetters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead-letters.db")
	s := openStore(t, path)
	keep(t, s, letter("a", 1))
	steps := append(migrations[:len(migrations):len(migrations)], []string{"ALTER TABLE letters ADD COLUMN extra TEXT"})
	c := <-s.writer
	err := migrate(bg, c, steps)
	if err == nil {
		err = migrate(bg, c, steps)
	}
	s.writer <- c
	if err != nil {
		t.Fatal(err)
	}
	total(t, s, 1)
}
