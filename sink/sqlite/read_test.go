package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ingestd/ingestd/engine"
)

// What is read waits for nobody who writes, and makes nobody wait: not even for a
// transaction that has the write lock all the time.
func TestReadBesideAWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ingest.db")
	s := open(t, path)
	write(t, s, batch("17", 1, 30))
	other := reader(t, path)
	other.SetMaxOpenConns(1)
	exec(t, other, "BEGIN IMMEDIATE")
	exec(t, other, "DELETE FROM messages WHERE seq = 30")
	stored, err := s.Read(t.Context(), "17", 3)
	if err != nil || len(stored.Messages) != 3 || stored.Messages[0].Seq != 30 || stored.Stream.Messages != 30 {
		t.Errorf("%+v, %v", stored, err)
	}
	exec(t, other, "COMMIT")
	write(t, s, batch("17", 31, 31))
	stored, err = s.Read(t.Context(), "17", 2)
	if err != nil || len(stored.Messages) != 2 || stored.Messages[0].Seq != 31 || stored.Messages[1].Seq != 29 {
		t.Errorf("%+v, %v", stored, err)
	}
	if err := errors.Join(other.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a connection that reads has kept the log: %v", err)
	}
}

// A database that is gone is not made anew by who wants to read it.
func TestReadOfADeletedDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ingest.db")
	s := open(t, path)
	write(t, s, batch("17", 1, 3))
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context(), "17", 3); !engine.IsBlocked(err) {
		t.Errorf("is not blocked: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a file: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
